"""Constants of the matting algorithms, each in one place for its three implementations.

The NumPy functions of this package read them here. The C kernels (compiled at installation) and the CUDA kernels
(compiled at run time) get the same values from the header that ``c_header`` writes. Only the standard library is
imported, because ``setup.py`` loads this file before NumPy is there.
"""

__all__ = ["c_header"]

# --- streamseg.matting.motion.flow -----------------------------------------------------------------------------------
#: Levels of the luma pyramid, and the shorter side below which no further level is made, in pixels.
FLOW_LEVELS, FLOW_SMALLEST_SIDE = 4, 8
#: Side of a patch and distance from one to the next, in pixels.
FLOW_PATCH, FLOW_STRIDE = 8, 4
#: Gauss–Newton steps for each patch on each level at most, the shortest that is worth one, and the longest, in pixels.
FLOW_STEPS, FLOW_SHORTEST_STEP, FLOW_LONGEST_STEP = 4, 0.05, 2.0
#: Added to the sums of squared gradients (8-bit code values), so that flat patches stay where they are.
FLOW_DAMPING = 64.0
#: Photometric error, in 8-bit code values, up to which a patch has its full weight.
FLOW_ERROR_FLOOR = 1.0

# --- streamseg.matting.motion.estimate -------------------------------------------------------------------------------
#: Noise of a warped image in 8-bit code values, and the part of a squared gradient that a flow wrong by half a pixel
#: explains.
CONFIDENCE_NOISE, CONFIDENCE_GRADIENT = 6.0, 0.25
#: Radius of the window that errors are averaged over, in pixels.
CONFIDENCE_RADIUS = 2
#: Below this mean confidence two frames belong to different scenes.
SCENE_CUT_CONFIDENCE = 0.3
#: Below this confidence the flow does not explain a pixel.
UNEXPLAINED_CONFIDENCE = 0.25

# --- streamseg.matting.motion.brightness -----------------------------------------------------------------------------
#: Rows that share a gain: the bands of a lamp on 50 Hz mains are some 60 rows apart where a camera reads 30 frames a
#: second, at the resolution of the flow.
BRIGHTNESS_BAND = 4
#: Gains up to this from 1 are left: they cost the flow no confidence. From the second on the first flow is too wrong to
#: measure them well: they are measured in as many steps. None is taken for larger than the last.
BRIGHTNESS_SMALLEST, BRIGHTNESS_LARGE, BRIGHTNESS_STEPS, BRIGHTNESS_LARGEST = 0.03, 0.08, 2, 2.0
#: Added to codes above black before they are divided: ratios of what is dark are noise.
BRIGHTNESS_DARK = 4.0

# --- streamseg.matting.motion.layers ---------------------------------------------------------------------------------
#: Radius of the window whose flow is averaged, in pixels, and how often the matte is warped by the result.
LAYER_RADIUS, LAYER_ITERATIONS = 3, 2
#: Weight of a pixel's own flow beside the mean weight of the foreground around it.
LAYER_OWN_WEIGHT = 0.05

# --- streamseg.matting.temporal --------------------------------------------------------------------------------------
#: Saliency at and below the first counts as background, at and above the second as foreground.
SALIENCY_LOW, SALIENCY_HIGH = 0.2, 0.95
#: Alpha at and below the first is shown as 0, at and above the second as 1.
ALPHA_LOW, ALPHA_HIGH = 0.1, 0.95
#: The means of clear mattes are clear up to rounding: alpha within this of the limits is shown as 0 or 1 too.
ALPHA_TOLERANCE = 1e-5
#: Weight of a state at full strength, in observations.
MAX_STATE_WEIGHT = 4.0
#: An observation loses weight by 1 + this times its mean absolute innovation around the pixel.
INNOVATION_PENALTY = 4.0
#: Weight of an observation that raises alpha, relative to one that lowers it.
RISING_WEIGHT = 0.7
#: Part of its weight that a state loses where observations contradict it entirely.
CONTRADICTION_DECAY = 0.2
#: Factor a frame on alpha and weight outside the ROI of an observation.
UNOBSERVED_DECAY = 0.8
#: Radius of the window that innovations are averaged over, in cells.
INNOVATION_RADIUS = 4
#: Weight of a neighbouring frame's matte in the temporal average, relative to the frame's own.
NEIGHBOUR_WEIGHT = 2.0

#: Half transparent: shown alpha strictly between these. Where it fills a square of side 2·radius + 1 cells, or more of
#: it than this share, it is ambiguous: neither hair nor motion blur.
AMBIGUOUS_LOW, AMBIGUOUS_HIGH, AMBIGUOUS_RADIUS, AMBIGUOUS_SHARE = 0.1, 0.9, 4, 0.75
#: A cell belongs to an ambiguous region in full where this part of such a square around it is the core of one.
AMBIGUOUS_CORE = 0.25
#: Radius of the window that decides about an ambiguous cell, in cells, and how steep the decision is.
DECISION_RADIUS, DECISION_GAIN = 12, 8.0
#: What the decision before weighs, in alpha, and the largest change of alpha in a frame.
DECISION_HYSTERESIS, DECISION_STEP = 0.15, 0.25

# --- streamseg.matting.mixing, streamseg.matting.tracking.near -------------------------------------------------------
#: Weight of the person map, relative to the saliency map.
PERSON_WEIGHT = 2.0
#: Certainty of a pixel that is certain of nothing, so that weights are never zero.
LEAST_CERTAINTY = 1e-3
#: Part of what is seen below which a person map has nobody in it.
NOBODY_SHARE = 0.01

# --- streamseg.matting.tracking.roi ----------------------------------------------------------------------------------
#: Alpha above which a cell belongs to the subject.
SUBJECT_ALPHA = 0.3
#: Margin around the subject, as a part of its longer side.
ROI_MARGIN = 0.25
#: A subject smaller than this part of the frame's longer side is not tracked.
ROI_SMALLEST = 0.03
#: Part of the way to the new ROI that a side moves in one frame, outwards and inwards.
ROI_GROW, ROI_SHRINK = 0.5, 0.2
#: Rounding tolerance when an ROI becomes pixels.
ROI_TOLERANCE = 1e-6

# --- streamseg.matting.edges -----------------------------------------------------------------------------------------
#: Alpha strictly between these is uncertain and refined.
UNCERTAIN_LOW, UNCERTAIN_HIGH = 0.02, 0.98
#: Weight of the colour spreads and of noise against the squared distance of two colours.
EDGE_SPREAD_WEIGHT, EDGE_NOISE = 8.0, 0.005
#: Weight of a pixel on neither side, so that no mean is empty.
EDGE_MIN_WEIGHT = 1e-4
#: Share of a neighbourhood at which a side's colour is half trusted.
EDGE_FEW = 0.01
#: Components of the local colour model: see streamseg.matting.edges.colours.
EDGE_FIELDS = 6

# --- streamseg.matting.compositing.blur ------------------------------------------------------------------------------
#: Alpha, the neighbours' included, from which on a pixel is no evidence of the background.
BACKGROUND_ALPHA = 0.25


def c_header() -> str:
    """The constants as ``#define`` lines for C and CUDA: whole numbers as they are, others as float literals."""
    lines = [f"#define {name} {_literal(value)}" for name, value in globals().items() if _is_constant(name, value)]
    return "\n".join(["/* Written from streamseg/matting/constants.py: change the values there. */", *lines, ""])


def _is_constant(name: str, value: object) -> bool:
    return name.isupper() and not name.startswith("_") and isinstance(value, (int, float))


def _literal(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value!r}f"
