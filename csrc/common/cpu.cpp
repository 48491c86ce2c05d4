#include "common/cpu.h"

#include <cstdlib>
#include <string_view>

namespace ace3d {
namespace {

InstructionSet best_of_machine() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  return avx2 ? InstructionSet::kAvx2 : InstructionSet::kBaseline;
#else
  return InstructionSet::kBaseline;
#endif
}

InstructionSet choose() {
  const InstructionSet best = best_of_machine();
  const char* wish = std::getenv("ACE3D_INSTRUCTION_SET");
  if (wish == nullptr) return best;
  for (const InstructionSet set : {InstructionSet::kBaseline, InstructionSet::kAvx2}) {
    if (std::string_view(wish) == name_of(set) && set <= best) return set;
  }
  return best;
}

}  // namespace

InstructionSet instruction_set() {
  static const InstructionSet chosen = choose();
  return chosen;
}

const char* name_of(InstructionSet set) { return set == InstructionSet::kAvx2 ? "avx2" : "baseline"; }

}  // namespace ace3d
