// All kernels in one translation unit: one fatbin, or, with SWARM_SHIM, one host library for the tests.
#ifdef SWARM_SHIM
#include "shim.h"
#endif
#include "common.cuh"

#include "../gather/gather.cu"
#include "../components/components.cu"
#include "../foreground/foreground.cu"
#include "../intensity/moments.cu"
#include "../labels/pack.cu"
#include "../percentile/percentile.cu"
#include "../stitch/stitch.cu"
#include "../window/extract.cu"
