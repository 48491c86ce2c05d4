// A second device in the memory of the host, "far": torch keeps its tensors apart from those of the CPU, as
// it does with a GPU's. Every op runs on the CPU over copies, ours too, so results equal the CPU's in bits;
// an argument left on the CPU is an error, which a GPU would answer with one of its own.

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/autocast_mode.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

const c10::Device FAR(c10::DeviceType::PrivateUse1, 0);

std::atomic<size_t> limit_bytes = SIZE_MAX / 2;
std::atomic<size_t> used_bytes = 0;

void release(void* data) {
  used_bytes -= malloc_usable_size(data);
  std::free(data);
}

struct FarAllocator final : c10::Allocator {
  c10::DataPtr allocate(size_t num_bytes) override {
    TORCH_CHECK_WITH(OutOfMemoryError, used_bytes + num_bytes <= limit_bytes, "far: out of memory");
    void* data = std::malloc(std::max<size_t>(num_bytes, 1));
    used_bytes += malloc_usable_size(data);
    return {data, data, &release, FAR};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t num_bytes) const override {
    default_copy_data(to, from, num_bytes);
  }
};

FarAllocator allocator;

struct FarGuard final : c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::PrivateUse1> {
  c10::Device exchangeDevice(c10::Device) const override { return FAR; }
  c10::Device getDevice() const override { return FAR; }
  c10::Stream getStream(c10::Device) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, FAR);
  }
  c10::Stream getNewStream(c10::Device, int) const override { return c10::Stream(c10::Stream::DEFAULT, FAR); }
  c10::Stream exchangeStream(c10::Stream) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, FAR);
  }
};

struct FarHooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
};

FarHooks hooks;

// The same bytes as a tensor of the CPU.
at::Tensor near(const at::Tensor& tensor) {
  if (tensor.device() != FAR) return tensor;
  return at::from_blob(
      tensor.data_ptr(), tensor.sizes(), tensor.strides(), [keep = tensor](void*) {},
      tensor.options().device(at::kCPU));
}

at::Tensor empty(c10::IntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &allocator, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride, std::optional<at::ScalarType> type,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &allocator,
                                           c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                           c10::dtype_or_default(type));
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool) {
  near(to).copy_(near(from));
  return to;
}

const at::Tensor& make_room(const at::Tensor& tensor, c10::IntArrayRef size,
                            std::optional<at::MemoryFormat>) {
  auto* self = tensor.unsafeGetTensorImpl();
  self->set_sizes_contiguous(size);
  const size_t needed = (self->numel() + self->storage_offset()) * self->dtype().itemsize();
  if (needed > tensor.storage().nbytes()) {
    auto data = allocator.allocate(needed);
    std::memcpy(data.get(), tensor.storage().data(), tensor.storage().nbytes());
    tensor.storage().set_data_ptr_noswap(std::move(data));
    tensor.storage().unsafeGetStorageImpl()->set_nbytes(needed);
  }
  return tensor;
}

at::Tensor copy_from_and_resize(const at::Tensor& from, const at::Tensor& to) {
  if (to.sizes() != from.sizes()) make_room(to, from.sizes(), std::nullopt);
  return copy_from(from, to, false);
}

at::Scalar item(const at::Tensor& tensor) { return at::_local_scalar_dense(near(tensor)); }

// Zero-dimensional tensors and indices may be on the CPU, as they may with a GPU.
bool may_be_near(const std::string& op, size_t argument) {
  return argument > 0 && (op == "aten::index" || op == "aten::index_put_" || op == "aten::_index_put_impl_");
}

void refuse_near(const std::string& op, size_t argument, const at::Tensor& tensor) {
  TORCH_CHECK(!tensor.defined() || tensor.dim() == 0 || tensor.device() == FAR || may_be_near(op, argument),
              op, ": expected argument ", argument, " to be on ", FAR, ", got one on ", tensor.device());
}

at::Tensor brought(const at::Tensor& tensor, size_t argument) {
  refuse_near("aten::convolution", argument, tensor);
  return near(tensor);
}

at::Tensor convolution(const at::Tensor& input, const at::Tensor& weight,
                       const std::optional<at::Tensor>& bias, c10::IntArrayRef stride,
                       c10::IntArrayRef padding, c10::IntArrayRef dilation, bool transposed,
                       c10::IntArrayRef output_padding, int64_t groups) {
  const auto near_bias = bias && bias->defined() ? std::optional(brought(*bias, 2)) : std::nullopt;
  return at::convolution(brought(input, 0), brought(weight, 1), near_bias, stride, padding, dilation,
                         transposed, output_padding, groups)
      .to(FAR);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(
    const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight, c10::IntArrayRef stride,
    c10::IntArrayRef padding, c10::IntArrayRef dilation, bool transposed, c10::IntArrayRef output_padding,
    int64_t groups, std::array<bool, 3> wanted) {
  const auto found =
      at::convolution_backward(brought(gradient, 0), brought(input, 0), brought(weight, 1), weight.size(0),
                               stride, padding, dilation, transposed, output_padding, groups, wanted);
  const auto far = [](const at::Tensor& tensor) { return tensor.defined() ? tensor.to(FAR) : tensor; };
  return {far(std::get<0>(found)), far(std::get<1>(found)), far(std::get<2>(found))};
}

void on_the_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const std::string& name = op.schema().name();
  const auto arguments = torch::jit::last(*stack, op.schema().arguments().size());
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].isTensor()) refuse_near(name, i, arguments[i].toTensor());
    if (arguments[i].isTensorList()) {
      for (const at::Tensor& tensor : arguments[i].toTensorVector()) refuse_near(name, i, tensor);
    }
  }
  at::native::cpu_fallback(op, stack);
}

}  // namespace

// What may be in use from now on beside what is.
extern "C" void set_room_bytes(size_t room) { limit_bytes = used_bytes + room; }

namespace c10::impl {
C10_REGISTER_GUARD_IMPL(PrivateUse1, FarGuard)
}

REGISTER_ALLOCATOR(c10::DeviceType::PrivateUse1, &allocator)

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  at::RegisterPrivateUse1HooksInterface(&hooks);
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&on_the_cpu>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", TORCH_FN(empty));
  library.impl("empty_strided", TORCH_FN(empty_strided));
  library.impl("resize_", TORCH_FN(make_room));
  library.impl("_copy_from", TORCH_FN(copy_from));
  library.impl("_copy_from_and_resize", TORCH_FN(copy_from_and_resize));
  library.impl("_local_scalar_dense", TORCH_FN(item));
  library.impl("as_strided", TORCH_FN(at::native::as_strided_tensorimpl));
  library.impl("view", TORCH_FN(at::native::view));
  library.impl("unfold", TORCH_FN(at::native::unfold));
  library.impl("_reshape_alias", TORCH_FN(at::native::_reshape_alias));
  library.impl("convolution_overrideable", TORCH_FN(convolution));
  library.impl("convolution_backward_overrideable", TORCH_FN(convolution_backward));
}

TORCH_LIBRARY_IMPL(_, AutocastPrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFallthrough());
}

TORCH_LIBRARY_IMPL(aten, AutocastPrivateUse1, m) {
  KERNEL_PRIVATEUSEONE(conv3d, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(linear, lower_precision_fp)
}
