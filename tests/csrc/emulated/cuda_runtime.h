// The CUDA runtime of the CPU emulation.
#pragma once

#include "simt.h"
