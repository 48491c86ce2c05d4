// Which instruction set the kernels use.
//
// Every build holds all of them; the best one that the machine has is chosen at run time. The environment
// variable ACE3D_INSTRUCTION_SET (baseline, avx2) asks for a lower one; results are the same, bit for
// bit.
#pragma once

namespace ace3d {

enum class InstructionSet { kBaseline = 0, kAvx2 = 1 };

// The one in use; decided on the first call.
InstructionSet instruction_set();

const char* name_of(InstructionSet set);

}  // namespace ace3d

// Call KERNEL as compiled for the instruction set in use.
#if defined(__x86_64__)
#define ACE3D_DISPATCH(KERNEL, ...)                                                                  \
  (::ace3d::instruction_set() == ::ace3d::InstructionSet::kAvx2 ? ::ace3d::avx2::KERNEL(__VA_ARGS__) \
                                                                : ::ace3d::baseline::KERNEL(__VA_ARGS__))
#else
#define ACE3D_DISPATCH(KERNEL, ...) ::ace3d::baseline::KERNEL(__VA_ARGS__)
#endif
