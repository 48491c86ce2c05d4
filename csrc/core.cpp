// Module `_core`: what this build is, and what this machine can do. Knows no torch.
#include <dlfcn.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "common/cpu.h"

namespace py = pybind11;

namespace {

// Names of the CUDA devices, asked of the driver itself; empty where there is no driver.
std::vector<std::string> cuda_devices() {
  std::vector<std::string> names;
  void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver == nullptr) return names;
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto count_devices = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDeviceGetCount"));
  const auto get_device = reinterpret_cast<int (*)(int*, int)>(dlsym(driver, "cuDeviceGet"));
  const auto get_name = reinterpret_cast<int (*)(char*, int, int)>(dlsym(driver, "cuDeviceGetName"));
  int count = 0;
  if (init && count_devices && get_device && get_name && init(0) == 0 && count_devices(&count) == 0) {
    for (int i = 0; i < count; ++i) {
      int device = 0;
      char name[256] = {};
      if (get_device(&device, i) == 0 && get_name(name, sizeof(name), device) == 0) names.emplace_back(name);
    }
  }
  dlclose(driver);
  return names;
}

py::dict build_info() {
  py::dict facts;
  facts["version"] = ACE3D_VERSION;
  facts["compiler"] = ACE3D_COMPILER;
  facts["cuda_compiler"] = ACE3D_CUDA_COMPILER_VERSION;
  facts["instruction_set"] = ace3d::name_of(ace3d::instruction_set());
  py::list devices;
  for (const std::string& name : cuda_devices()) devices.append(name);
  facts["cuda_devices"] = devices;
  return facts;
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "Facts about this build and this machine.";
  module.def("build_info", &build_info,
             "Version, compiler, CUDA compiler, instruction set in use, CUDA devices.");
}
