// Lab of 8-bit clips on the GPU: the bits of clips_to_lab_cpu.
#define ACE3D_WITH_CUDA
#include "color/color.h"
#include "color/lab.cuh"
#include "color/lab.h"
#include "color/light.h"
#include "common/launch.h"

namespace ace3d {
namespace {

constexpr int64_t kBytesPerBlock = 4 * 16 * kThreadsPerBlock;
constexpr int64_t kPixelsPerBlock = 16 * kThreadsPerBlock;

int64_t blocks_for(int64_t size, int64_t per_block) { return (size + per_block - 1) / per_block; }

struct ByteRange {
  int least = 255, largest = 0;
  __device__ void add(int value) {
    least = value < least ? value : least;
    largest = value > largest ? value : largest;
  }
  __device__ void add_word(unsigned word) {
    for (int i = 0; i < 4; ++i) add(static_cast<int>(word >> (8 * i) & 255));
  }
};

// ranges [clip, 2], zero before: 255 - the least byte, and the largest.
__global__ void byte_range_kernel(const uint8_t* __restrict__ frames, int64_t clip_bytes,
                                  unsigned blocks_per_clip, int* __restrict__ ranges) {
  const int64_t clip = blockIdx.x / blocks_per_clip, block = blockIdx.x % blocks_per_clip;
  const uint8_t* bytes = frames + clip * clip_bytes;
  // Bytes before the first whole 16, and after the last, go to the first block.
  const int64_t lead = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(bytes) & 15);
  const int64_t before = lead < clip_bytes ? lead : clip_bytes, num_quads = (clip_bytes - before) / 16;
  const auto* quads = reinterpret_cast<const uint4*>(bytes + before);
  ByteRange range;
  for (int64_t i = block * blockDim.x + threadIdx.x; i < num_quads; i += blocks_per_clip * blockDim.x) {
    const uint4 quad = quads[i];
    range.add_word(quad.x);
    range.add_word(quad.y);
    range.add_word(quad.z);
    range.add_word(quad.w);
  }
  if (block == 0) {
    const int64_t after = before + 16 * num_quads;
    for (int64_t i = threadIdx.x; i < before; i += blockDim.x) range.add(bytes[i]);
    for (int64_t i = after + threadIdx.x; i < clip_bytes; i += blockDim.x) range.add(bytes[i]);
  }
  const int least = __reduce_min_sync(~0u, range.least), largest = __reduce_max_sync(~0u, range.largest);
  if (threadIdx.x % 32 == 0) {
    atomicMax(&ranges[2 * clip], 255 - least);
    atomicMax(&ranges[2 * clip + 1], largest);
  }
}

// One block a clip, one thread a byte.
__global__ void light_table_kernel(const int* __restrict__ ranges, bool stretch,
                                   LightTable* __restrict__ tables) {
  const int value = static_cast<int>(threadIdx.x);
  const int low = stretch ? 255 - ranges[2 * blockIdx.x] : 0,
            high = stretch ? ranges[2 * blockIdx.x + 1] : 255;
  const double linear = light_of_byte(value, low, high);
  for (int c = 0; c < 3; ++c) {
    float* entry = tables[blockIdx.x].xyz[c][value];
    for (int k = 0; k < 3; ++k) entry[k] = xyz_of_light(linear, k, c);
    entry[3] = 0.0f;
  }
}

// Four pixels a thread: three words of bytes in, a quad for each channel out, where all is aligned.
__global__ void lab_kernel(const uint8_t* __restrict__ frames, const LightTable* __restrict__ tables,
                           int64_t num_voxels, unsigned blocks_per_clip, bool aligned,
                           float* __restrict__ lab) {
  __shared__ float4 light[3 * 256];
  const int64_t clip = blockIdx.x / blocks_per_clip, block = blockIdx.x % blocks_per_clip;
  load_light(tables + clip, light);
  const uint8_t* rgb = frames + clip * num_voxels * 3;
  float* out = lab + clip * num_voxels * 3;
  const int64_t first = block * kPixelsPerBlock;
  const int64_t end = first + kPixelsPerBlock < num_voxels ? first + kPixelsPerBlock : num_voxels;
  for (int64_t i = first + 4 * threadIdx.x; i < end; i += 4 * blockDim.x) {
    if (aligned) {
      const auto* words = reinterpret_cast<const unsigned*>(rgb + 3 * i);
      const unsigned a = words[0], b = words[1], c = words[2];
      const LabColor p = lab_of_pixel(light, a & 255, a >> 8 & 255, a >> 16 & 255);
      const LabColor q = lab_of_pixel(light, a >> 24, b & 255, b >> 8 & 255);
      const LabColor r = lab_of_pixel(light, b >> 16 & 255, b >> 24, c & 255);
      const LabColor s = lab_of_pixel(light, c >> 8 & 255, c >> 16 & 255, c >> 24);
      *reinterpret_cast<float4*>(out + i) = make_float4(p.l, q.l, r.l, s.l);
      *reinterpret_cast<float4*>(out + num_voxels + i) = make_float4(p.a, q.a, r.a, s.a);
      *reinterpret_cast<float4*>(out + 2 * num_voxels + i) = make_float4(p.b, q.b, r.b, s.b);
      continue;
    }
    for (int64_t v = i; v < end && v < i + 4; ++v) {
      const LabColor color = lab_of_pixel(light, rgb[3 * v], rgb[3 * v + 1], rgb[3 * v + 2]);
      out[v] = color.l;
      out[num_voxels + v] = color.a;
      out[2 * num_voxels + v] = color.b;
    }
  }
}

template <class T>
__device__ void write_lab(T red, T green, T blue, T* __restrict__ lab) {
  const LabOf<T> color = lab_of(red, green, blue);
  lab[0] = color.l;
  lab[1] = color.a;
  lab[2] = color.b;
}

template <class T>
__global__ void rgb_kernel(const T* __restrict__ rgb, T* __restrict__ lab, int64_t num_pixels) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= num_pixels) return;
  const T* from = rgb + 3 * i;
  write_lab(linear_light_of(from[0]), linear_light_of(from[1]), linear_light_of(from[2]), lab + 3 * i);
}

// One thread a byte makes the table of light.
__global__ void rgb_bytes_kernel(const uint8_t* __restrict__ rgb, float* __restrict__ lab,
                                 int64_t num_pixels) {
  __shared__ float light[kThreadsPerBlock];
  static_assert(kThreadsPerBlock == 256);
  light[threadIdx.x] = static_cast<float>(light_of_byte(static_cast<int>(threadIdx.x), 0, 255));
  __syncthreads();
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kPixelsPerBlock;
  const int64_t end = first + kPixelsPerBlock < num_pixels ? first + kPixelsPerBlock : num_pixels;
  for (int64_t i = first + threadIdx.x; i < end; i += blockDim.x) {
    const uint8_t* from = rgb + 3 * i;
    write_lab(light[from[0]], light[from[1]], light[from[2]], lab + 3 * i);
  }
}

}  // namespace

void launch_rgb_to_lab(const uint8_t* rgb, float* lab, int64_t num_pixels, void* stream) {
  if (num_pixels == 0) return;
  ACE3D_LAUNCH(rgb_bytes_kernel, blocks_for(num_pixels, kPixelsPerBlock), 0, stream, rgb, lab, num_pixels);
}

template <class T>
void launch_rgb_to_lab(const T* rgb, T* lab, int64_t num_pixels, void* stream) {
  if (num_pixels == 0) return;
  ACE3D_LAUNCH(rgb_kernel<T>, blocks_for(num_pixels, kThreadsPerBlock), 0, stream, rgb, lab, num_pixels);
}

template void launch_rgb_to_lab<float>(const float*, float*, int64_t, void*);
template void launch_rgb_to_lab<double>(const double*, double*, int64_t, void*);

int64_t light_table_bytes(int64_t num_clips) {
  return num_clips * static_cast<int64_t>(sizeof(LightTable) + 2 * sizeof(int));
}

const LightTable* launch_light_tables(const uint8_t* frames, int64_t num_clips, int64_t num_voxels,
                                      bool stretch, void* work, void* stream) {
  auto* const tables = static_cast<LightTable*>(work);
  auto* const ranges = reinterpret_cast<int*>(tables + num_clips);
  if (num_clips == 0) return tables;
  if (stretch) {
    const auto queue = static_cast<cudaStream_t>(stream);
    check_cuda(cudaMemsetAsync(ranges, 0, 2 * sizeof(int) * num_clips, queue), "clips_to_lab");
    const int64_t blocks = blocks_for(3 * num_voxels, kBytesPerBlock);
    ACE3D_LAUNCH(byte_range_kernel, num_clips * blocks, 0, stream, frames, 3 * num_voxels,
                 static_cast<unsigned>(blocks), ranges);
  }
  ACE3D_LAUNCH(light_table_kernel, num_clips, 0, stream, ranges, stretch, tables);
  return tables;
}

void launch_clips_to_lab(const uint8_t* frames, const LightTable* tables, float* lab, int64_t num_clips,
                         int64_t num_voxels, void* stream) {
  if (num_clips == 0) return;
  const int64_t blocks = blocks_for(num_voxels, kPixelsPerBlock);
  const bool aligned = num_voxels % 4 == 0 && reinterpret_cast<uintptr_t>(frames) % 4 == 0;
  ACE3D_LAUNCH(lab_kernel, num_clips * blocks, 0, stream, frames, tables, num_voxels,
               static_cast<unsigned>(blocks), aligned, lab);
}

}  // namespace ace3d
