// The person map of the selfie network together with the saliency map. References: streamseg.matting.mixing, and
// seen_by_both in streamseg.matting.tracking.near.

// Adds up, in `count`, how many pixels of a map belong to a person. A thread does PIECE pixels of one column; none leaves
// early, because a warp adds up its threads' sums.
//   person: [side, side]
extern "C" __global__ void count_person(const float *person, int side, double *count) {
    const int x = thread_column(), first = thread_row() * PIECE;
    double found = 0.0;
    if (x < side)
        for (int y = first; y < min_int(first + PIECE, side); y++) found += person[y * side + x] > 0.5f;
    add_lanes(found, count);
}

// How certain a map is of a pixel: the squared distance from one half, and never nothing.
__device__ inline float certainty(float value) { return (2.0f * value - 1.0f) * (2.0f * value - 1.0f) + LEAST_CERTAINTY; }

// What both maps say of the same part of a frame, in place of the saliency map, [side, side].
//   person: [person_side, person_side]
//   flipped: whether the saliency map is; the person map never is
//   count: from count_person; then saliency stays as it is, or with nobody in the person map becomes 0. Null mixes them
extern "C" __global__ void add_person(float *saliency, int side, const float *person, int person_side, int flipped,
                                      const double *count) {
    const int x = thread_column(), y = thread_row();
    if (x >= side || y >= side) return;
    const int at = y * side + x;
    if (count) {
        if (*count <= NOBODY_SHARE * (person_side * person_side)) saliency[at] = 0.0f;
        return;
    }
    const Position across = resized(flipped ? side - 1 - x : x, side, person_side);
    const Position down = resized(y, side, person_side);
    const float personal = clamp_float(bilinear(person, person_side, down, across), 0.0f, 1.0f);
    const float weight = PERSON_WEIGHT * certainty(personal), own = certainty(saliency[at]);
    saliency[at] += (personal - saliency[at]) * (weight / (own + weight));
}
