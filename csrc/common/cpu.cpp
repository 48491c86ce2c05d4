#include "common/cpu.h"

#include <cstdlib>
#include <string_view>

namespace ace3d {
namespace {

constexpr InstructionSet kAll[] = {InstructionSet::kBaseline, InstructionSet::kAvx2, InstructionSet::kAvx512};

InstructionSet best_of_machine() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
  return avx512 ? InstructionSet::kAvx512 : avx2 ? InstructionSet::kAvx2 : InstructionSet::kBaseline;
#else
  return InstructionSet::kBaseline;
#endif
}

InstructionSet choose() {
  const InstructionSet best = best_of_machine();
  if (const char* wish = std::getenv("ACE3D_INSTRUCTION_SET")) {
    for (const InstructionSet set : kAll) {
      if (std::string_view(wish) == name_of(set) && set <= best) return set;
    }
  }
  return best;
}

}  // namespace

InstructionSet instruction_set() {
  static const InstructionSet chosen = choose();
  return chosen;
}

const char* name_of(InstructionSet set) {
  switch (set) {
    case InstructionSet::kAvx512:
      return "avx512";
    case InstructionSet::kAvx2:
      return "avx2";
    default:
      return "baseline";
  }
}

}  // namespace ace3d
