// Which instruction set the kernels use.
//
// Every build holds all of them; the best one that the machine has is chosen at run time. The environment
// variable ACE3D_INSTRUCTION_SET (baseline, avx2, avx512) asks for a lower one; results are the same, bit for
// bit.
#pragma once

namespace ace3d {

enum class InstructionSet { kBaseline = 0, kAvx2 = 1, kAvx512 = 2 };

// The one in use; decided on the first call.
InstructionSet instruction_set();

const char* name_of(InstructionSet set);

}  // namespace ace3d
