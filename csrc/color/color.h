// sRGB to CIE Lab, illuminant D65, 2 degree observer: the formulas and constants of scikit-image's rgb2lab.
//
//   rgb  [num_pixels, 3], channels last, values 0 to 1 (uint8: 0 to 255)
//   lab  the same shape: L 0 to 100, a and b about -100 to 100
#pragma once

#include <cstdint>

namespace ace3d {

void rgb_to_lab_cpu(const uint8_t* rgb, float* lab, int64_t num_pixels);
void rgb_to_lab_cpu(const float* rgb, float* lab, int64_t num_pixels);
void rgb_to_lab_cpu(const double* rgb, double* lab, int64_t num_pixels);

// Lab of 8-bit clips, channels first; where `stretch` is set each clip is stretched so that its least value
// is 0 and its largest is 1 (a clip of one value only loses that value).
//
//   frames  [num_clips, num_voxels, 3]      lab  [num_clips, 3, num_voxels]
void clips_to_lab_cpu(const uint8_t* frames, float* lab, int64_t num_clips, int64_t num_voxels, bool stretch);

// What each of the 256 values of red, green and blue adds to X, Y and Z (of white: 1), the fourth is 0.
struct alignas(16) LightTable {
  float xyz[3][256][4];
};

// Of one clip.
LightTable light_of_clip(const uint8_t* rgb, int64_t num_voxels, bool stretch);

#if defined(ACE3D_WITH_CUDA)
// As rgb_to_lab_cpu but for the last bits of powers and roots; float or double, or bytes to float.
template <class T>
void launch_rgb_to_lab(const T* rgb, T* lab, int64_t num_pixels, void* stream);
void launch_rgb_to_lab(const uint8_t* rgb, float* lab, int64_t num_pixels, void* stream);

// Tables of all clips, in the first bytes of `work`, which holds light_table_bytes.
int64_t light_table_bytes(int64_t num_clips);
const LightTable* launch_light_tables(const uint8_t* frames, int64_t num_clips, int64_t num_voxels,
                                      bool stretch, void* work, void* stream);

void launch_clips_to_lab(const uint8_t* frames, const LightTable* tables, float* lab, int64_t num_clips,
                         int64_t num_voxels, void* stream);
#endif

}  // namespace ace3d
