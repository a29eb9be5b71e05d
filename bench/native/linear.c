// X Wᵀ as assembly/linear computes it, in C with vectors of 128 bits: gcc -O3 -msse4.2. Prints GFLOP/s, the median of some rounds.
//
//   linear rows depth classes float|double classesAreRows

#include <emmintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOCK 256
#define ROUNDS 15

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static long least(long a, long b) { return a < b ? a : b; }

static void transpose_float(const float *x, long step, float *to) {
  __m128 a = _mm_loadu_ps(x), b = _mm_loadu_ps(x + step), c = _mm_loadu_ps(x + 2 * step), d = _mm_loadu_ps(x + 3 * step);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(to, a), _mm_storeu_ps(to + 8, b), _mm_storeu_ps(to + 16, c), _mm_storeu_ps(to + 24, d);
}

static void transpose_double(const double *x, long step, double *to) {
  __m128d a = _mm_loadu_pd(x), b = _mm_loadu_pd(x + step);
  _mm_storeu_pd(to, _mm_unpacklo_pd(a, b)), _mm_storeu_pd(to + 4, _mm_unpackhi_pd(a, b));
}

static void add_float(double *sums, __m128 values) {
  _mm_storeu_pd(sums, _mm_add_pd(_mm_loadu_pd(sums), _mm_cvtps_pd(values)));
  _mm_storeu_pd(sums + 2, _mm_add_pd(_mm_loadu_pd(sums + 2), _mm_cvtps_pd(_mm_movehl_ps(values, values))));
}

static void add_double(double *sums, __m128d values) { _mm_storeu_pd(sums, _mm_add_pd(_mm_loadu_pd(sums), values)); }

#define KERNELS(T, V, LANES, P)                                                                                        \
  static void pack_##T(const T *x, long step, long columns, long depth, T *to) {                                       \
    for (long j = 0; j < columns; j += 2 * LANES, to += 2 * LANES * depth) {                                           \
      long width = least(columns - j, 2 * LANES), k = 0;                                                               \
      if (width < 2 * LANES) memset(to, 0, sizeof(T) * 2 * LANES * depth);                                             \
      else                                                                                                             \
        for (; k + LANES <= depth; k += LANES)                                                                         \
          for (int half = 0; half < 2; half++)                                                                         \
            transpose_##T(x + (j + half * LANES) * step + k, step, to + 2 * LANES * k + half * LANES);                 \
      for (; k < depth; k++)                                                                                           \
        for (long i = 0; i < width; i++) to[2 * LANES * k + i] = x[(j + i) * step + k];                                \
    }                                                                                                                  \
  }                                                                                                                    \
  static void tile_##T(const T *a, long step, long rows, const T *b, long depth, double *sums) {                       \
    const T *a1 = a + least(1, rows - 1) * step, *a2 = a + least(2, rows - 1) * step, *a3 = a + least(3, rows - 1) * step; \
    for (long k = 0; k < depth;) {                                                                                     \
      V s00 = _mm_setzero_##P(), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00, x;       \
      for (long end = least(k + BLOCK, depth); k < end; k++, b += 2 * LANES) {                                         \
        V b0 = _mm_loadu_##P(b), b1 = _mm_loadu_##P(b + LANES);                                                        \
        x = _mm_set1_##P(a[k]), s00 = _mm_add_##P(s00, _mm_mul_##P(x, b0)), s01 = _mm_add_##P(s01, _mm_mul_##P(x, b1));  \
        x = _mm_set1_##P(a1[k]), s10 = _mm_add_##P(s10, _mm_mul_##P(x, b0)), s11 = _mm_add_##P(s11, _mm_mul_##P(x, b1)); \
        x = _mm_set1_##P(a2[k]), s20 = _mm_add_##P(s20, _mm_mul_##P(x, b0)), s21 = _mm_add_##P(s21, _mm_mul_##P(x, b1)); \
        x = _mm_set1_##P(a3[k]), s30 = _mm_add_##P(s30, _mm_mul_##P(x, b0)), s31 = _mm_add_##P(s31, _mm_mul_##P(x, b1)); \
      }                                                                                                                \
      V all[] = {s00, s01, s10, s11, s20, s21, s30, s31};                                                              \
      for (int i = 0; i < 8; i++) add_##T(sums + i * LANES, all[i]);                                                   \
    }                                                                                                                  \
  }                                                                                                                    \
  static void product_##T(const T *a, long rows, const T *b, long columns, long depth, T *packed, T *out, long rowStep, long columnStep) { \
    pack_##T(b, depth, columns, depth, packed);                                                                        \
    for (long i = 0; i < rows; i += 4)                                                                                 \
      for (long j = 0; j < columns; j += 2 * LANES) {                                                                  \
        double sums[8 * LANES] = {0};                                                                                  \
        tile_##T(a + i * depth, depth, least(rows - i, 4), packed + j * depth, depth, sums);                           \
        for (long r = 0; r < least(rows - i, 4); r++)                                                                  \
          for (long c = 0; c < least(columns - j, 2 * LANES); c++)                                                     \
            out[(i + r) * rowStep + (j + c) * columnStep] = (T)sums[r * 2 * LANES + c];                                \
      }                                                                                                                \
  }                                                                                                                    \
  static double run_##T(long rows, long depth, long classes, int classesAreRows) {                                     \
    T *x = malloc(sizeof(T) * rows * depth), *w = malloc(sizeof(T) * classes * depth), *out = malloc(sizeof(T) * rows * classes); \
    T *packed = malloc(sizeof(T) * ((classesAreRows ? rows : classes) + 8) * depth);                                   \
    for (long i = 0; i < rows * depth; i++) x[i] = rand() / (T)RAND_MAX - 1 / (T)2;                                    \
    for (long i = 0; i < classes * depth; i++) w[i] = rand() / (T)RAND_MAX - 1 / (T)2;                                 \
    long calls = 5e7 / (2.0 * rows * depth * classes) + 1;                                                             \
    double times[ROUNDS];                                                                                              \
    for (int round = 0; round < ROUNDS; round++) {                                                                     \
      double start = now();                                                                                            \
      for (long call = 0; call < calls; call++)                                                                        \
        if (classesAreRows) product_##T(w, classes, x, rows, depth, packed, out, 1, classes);                          \
        else product_##T(x, rows, w, classes, depth, packed, out, classes, 1);                                         \
      times[round] = (now() - start) / calls;                                                                          \
      for (int i = round; i > 0 && times[i] < times[i - 1]; i--) {                                                     \
        double time = times[i];                                                                                        \
        times[i] = times[i - 1], times[i - 1] = time;                                                                  \
      }                                                                                                                \
    }                                                                                                                  \
    return 2e-9 * rows * depth * classes / times[ROUNDS / 2];                                                          \
  }

KERNELS(float, __m128, 4, ps)
KERNELS(double, __m128d, 2, pd)

int main(int count, char **args) {
  if (count != 6) return 1;
  long rows = atol(args[1]), depth = atol(args[2]), classes = atol(args[3]);
  int classesAreRows = atoi(args[5]);
  double rate = args[4][0] == 'f' ? run_float(rows, depth, classes, classesAreRows) : run_double(rows, depth, classes, classesAreRows);
  printf("%.2f\n", rate);
  return 0;
}
