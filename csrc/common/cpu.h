// Which instruction set the kernels use.
//
// Every build holds all of them; the best that the machine has is chosen at run time. The environment
// variable ACE3D_INSTRUCTION_SET (baseline, avx2, avx512) asks for another that it has; results are the same,
// bit for bit.
#pragma once

namespace ace3d {

enum class InstructionSet { kBaseline, kAvx2, kAvx512 };

// The one in use; decided on the first call.
InstructionSet instruction_set();

const char* name_of(InstructionSet set);

}  // namespace ace3d

// Expand DECLARE, which declares what the kernels of one instruction set are, for all of them.
#define ACE3D_FOR_INSTRUCTION_SETS(DECLARE) \
  DECLARE(baseline)                         \
  DECLARE(avx2)                             \
  DECLARE(avx512)

// Call KERNEL as compiled for the instruction set in use.
#if defined(__x86_64__)
#define ACE3D_DISPATCH(KERNEL, ...)                                                                      \
  (::ace3d::instruction_set() == ::ace3d::InstructionSet::kAvx512 ? ::ace3d::avx512::KERNEL(__VA_ARGS__) \
   : ::ace3d::instruction_set() == ::ace3d::InstructionSet::kAvx2 ? ::ace3d::avx2::KERNEL(__VA_ARGS__)   \
                                                                  : ::ace3d::baseline::KERNEL(__VA_ARGS__))
#else
#define ACE3D_DISPATCH(KERNEL, ...) ::ace3d::baseline::KERNEL(__VA_ARGS__)
#endif
