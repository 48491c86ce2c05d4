// Gaussian smoothing of a volume along its three axes, as scipy.ndimage.gaussian_filter does it: kernel cut
// at 4 sigma, the volume mirrored at its faces (d c b a | a b c d | d c b a), one axis after the other (T, H,
// W).
//
//   volume, out  [num_volumes, depth, height, width], not the same memory
//   sigma        standard deviation along T, H, W in voxels; 0 leaves an axis alone
#pragma once

#include <cstdint>

#include "color/color.h"
#include "common/volume.h"

namespace ace3d {

template <class T>
void gaussian_smooth_cpu(const T* volume, T* out, int64_t num_volumes, VolumeShape shape,
                         const double sigma[3]);

// The same of the Lab [3, depth, height, width] of bytes of RGB [depth, height, width, 3]. Lab is made where
// it is used: there is never more of it than a plane needs.
void smooth_lab_cpu(const uint8_t* rgb, const LightTable& light, float* out, VolumeShape shape,
                    const double sigma[3]);

#if defined(ACE3D_WITH_CUDA)
// `work` holds smooth_work_bytes: weights, and a volume that is neither the first nor the last.
template <class T>
int64_t smooth_work_bytes(int64_t num_volumes, VolumeShape shape, const double sigma[3]);

template <class T>
void launch_gaussian_smooth(const T* volume, T* out, void* work, int64_t num_volumes, VolumeShape shape,
                            const double sigma[3], void* stream);

// Of the Lab of clips of bytes [num_clips, depth, height, width, 3]; `work` as for 3 * num_clips volumes.
void launch_smooth_lab(const uint8_t* frames, const LightTable* tables, float* out, void* work,
                       int64_t num_clips, VolumeShape shape, const double sigma[3], void* stream);
#endif

}  // namespace ace3d
