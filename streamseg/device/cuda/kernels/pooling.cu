// Max pooling of the network's activations. Reference: max_pool in streamseg/device/cuda/convolutions/pooling.py.

// The larger of two numbers in half precision, for two of them side by side. What is not negative has the order of its
// bits; a zero may be negative, and is then the smallest of the shorts.
__device__ inline unsigned larger_pair(unsigned a, unsigned b) {
    const short low = (short)a > (short)b ? (short)a : (short)b;
    const short high = (short)(a >> 16) > (short)(b >> 16) ? (short)(a >> 16) : (short)(b >> 16);
    return (unsigned)(unsigned short)high << 16 | (unsigned short)low;
}

// The maximum of each block of 2×2; an odd last row or column stands alone.
//   image: float16 [count, rows, columns, 2 · pairs], nothing of it negative
//   out: float16 [count, half rows, half columns, 2 · pairs]
extern "C" __global__ void max_pool(const unsigned *image, int rows, int columns, int pairs, int count,
                                    unsigned *out) {
    const int half_rows = (rows + 1) / 2, half_columns = (columns + 1) / 2;
    const int x = thread_column(), y = thread_row();
    if (x >= half_columns * pairs || y >= count * half_rows) return;
    const int pair = x % pairs, left = x / pairs * 2, top = y % half_rows * 2;
    const int right = min_int(left + 1, columns - 1), bottom = min_int(top + 1, rows - 1);
    const long long first = (long long)(y / half_rows) * rows, width = (long long)columns * pairs;
    const unsigned *upper = image + (first + top) * width + pair, *lower = image + (first + bottom) * width + pair;
    const unsigned above = larger_pair(upper[left * pairs], upper[right * pairs]);
    const unsigned below = larger_pair(lower[left * pairs], lower[right * pairs]);
    out[(long long)y * half_columns * pairs + x] = larger_pair(above, below);
}
