// The library's kernel of contiguous rows (assembly/softmax/by-row.ts and its imports) in C: the same algorithm on the same 128-bit vectors,
// with the same bits; the work that is done once a row is in scalars. The runner of the implementation `c`: bench/runner-child.ts has the
// protocol.
//
//   gcc -O3 -msse4.2 -o softmax softmax.c -lm
//
// The code for rare rows is left out, and a batch with one is skipped: logits far from 0 or rising far within a row, or next to nothing beside
// the maximum (sumOfOthers). Also left out are label distributions, other axes, and few classes, for which the library has another kernel.
//
// Outside the time: reading the batch, and allocating memory for results.

#include <math.h>
#include <smmintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INLINE static inline __attribute__((always_inline))

typedef __m128d v128;
typedef enum { PROBS, LOSS, GRADIENT } Task;

/** A value and its rounding error. */
typedef struct { double hi, lo; } Pair;

static void skip(const char *reason) {
  printf("skip %s\n", reason);
  exit(0);
}

static size_t min(size_t a, size_t b) { return a < b ? a : b; }
static double larger(double a, double b) { return a < b ? b : a; }
static int64_t bitsOf(double a) { return _mm_cvtsi128_si64(_mm_castpd_si128(_mm_set_sd(a))); }
static double ofBits(int64_t bits) { return _mm_cvtsd_f64(_mm_castsi128_pd(_mm_cvtsi64_si128(bits))); }
INLINE v128 splat(double a) { return _mm_set1_pd(a); }
INLINE v128 pmax(v128 a, v128 b) { return _mm_max_pd(b, a); }

// assembly/number/two-sum.ts

INLINE v128 fastTwoSumError(v128 a, v128 b, v128 sum) { return b - (sum - a); }

static double twoSumError(double a, double b, double sum) {
  const double bPart = sum - a;
  return (a - (sum - bPart)) + (b - bPart);
}

static double upper(double a) { return ofBits(bitsOf(a) & ~0x7ffffffLL); }

static double quotientLow(double q, double inverse, Pair a, double divisor) {
  const double divisorHi = upper(divisor);
  return (a.hi - q * divisorHi - q * (divisor - divisorHi) + a.lo) * inverse;
}

/** The sum of two pairs, its low part not yet taken into the high one. */
static Pair add(Pair a, Pair b) {
  const double sum = a.hi + b.hi;
  return (Pair){sum, a.lo + (b.lo + twoSumError(a.hi, b.hi, sum))};
}

static Pair reduceAdd(v128 hi, v128 lo) {
  const double sum = hi[0] + hi[1];
  return (Pair){sum, lo[0] + lo[1] + twoSumError(hi[0], hi[1], sum)};
}

static double reduceMax(const double *x, size_t count) {
  double max = x[0];
  for (size_t j = 1; j < count; j++) max = larger(max, x[j]);
  return max;
}

// assembly/number/exp.ts

#define TABLE_BITS 8
#define TABLE_SIZE (1 << TABLE_BITS)
#define LARGE 40000
#define DEPTH 900
static double EXP_TABLE[TABLE_SIZE][2] __attribute__((aligned(16)));

/**
 * The table of scripts/constants.ts. 2^(i/B) = power (1 + remainder) is the root of that of 2i, so that no digit of the remainder is lost:
 *   (1 + remainder)² = 1 + rest, where power² and its difference from the power of 2i are exact in 113 bits
 */
static void makeTable(void) {
  double powers[TABLE_SIZE] = {1};
  __float128 remainders[TABLE_SIZE] = {0};
  for (int step = TABLE_SIZE / 2; step; step /= 2) {
    for (int i = step; i < TABLE_SIZE; i += 2 * step) {
      const int twice = 2 * i % TABLE_SIZE;
      const __float128 whole = ldexp(powers[twice], 2 * i / TABLE_SIZE);
      powers[i] = exp2l((long double)i / TABLE_SIZE);
      const __float128 square = (__float128)powers[i] * powers[i];
      const __float128 rest = (whole - square + whole * remainders[twice]) / square;
      remainders[i] = rest / 2 * (1 - rest / 4);
    }
  }
  for (int64_t i = 0; i < TABLE_SIZE; i++) {
    EXP_TABLE[i][0] = ofBits(bitsOf(powers[i]) + (384LL << 52) - (i << (52 - TABLE_BITS)));
    EXP_TABLE[i][1] = remainders[i];
  }
}

static double expRound(double top) { return 0x1.8p52 - nearbyint(top * 1.4426950408889634) * TABLE_SIZE; }

INLINE v128 shiftedExp(v128 x, v128 round, v128 floor) {
  const v128 v = pmax(x, floor);
  const v128 t = v * splat(369.3299304675746) + round;
  const v128 k = t - round;
  const v128 r = v - k * splat(0.0027076061742263846) - k * splat(-1.6409824502660487e-13);
  const v128 r2 = r * r;
  const v128 poly = splat(0.5) + r * splat(0.16666667812155952) + r2 * splat(0.04166666857581546);
  union { v128 t; uint8_t bytes[16]; } indices = {t};
  __asm__("" : "+m"(indices)); // through memory, as in exp.ts
  const v128 entry0 = _mm_load_pd(EXP_TABLE[indices.bytes[0]]);
  const v128 entry1 = _mm_load_pd(EXP_TABLE[indices.bytes[8]]);
  const __m128i powers = _mm_castpd_si128(_mm_unpacklo_pd(entry0, entry1));
  const v128 power = _mm_castsi128_pd(_mm_add_epi64(powers, _mm_slli_epi64(_mm_castpd_si128(t), 52 - TABLE_BITS)));
  return power + power * (r + _mm_unpackhi_pd(entry0, entry1) + r2 * poly);
}

// assembly/number/log.ts

static double logRatio(double max, Pair rest, Pair sum) {
  const int64_t k = (bitsOf(sum.hi) - bitsOf(max) + (1LL << 51)) >> 52;
  const double power = ldexp(max, k);
  const Pair d = k ? (Pair){sum.hi - power, sum.lo} : rest;
  const double divisor = power + d.hi * 0.5;
  const double divisorLo = d.hi * 0.5 - (divisor - power) + d.lo * 0.5;
  const double inverse = 1 / divisor;
  const double s = d.hi * inverse;
  const double sLo = quotientLow(upper(s), inverse, (Pair){d.hi, d.lo - s * divisorLo}, divisor);
  const double z = s * s;
  const double w = z * z;
  const double even = 0.08333333333333333 + w * (0.0022321428567888594 + w * (0.00008877799195066388 + w * 0.000004030131219281258));
  const double odd = 0.012500000000002747 + w * (0.0004340277951352209 + w * (0.000018785474994597705 + w * 0.0000010404820071308552));
  return k * 0.6931471805601177 + (upper(s) + (sLo + k * -1.7239444525614835e-13 + s * z * (even + z * odd)));
}

// assembly/softmax/by-row.ts, assembly/softmax/normalizer.ts

#define BLOCK 1024
#define HEADROOM 32

/** (rows, classes), a row in blocks of about `block` logits. */
static size_t rows, classes, block;
static double nextMax;

static size_t blockOf(size_t left) { return left < block + 4 ? left : block; }

INLINE v128 loadTail(const double *a, size_t count, double pad) { return count > 1 ? _mm_loadu_pd(a) : _mm_set_pd(pad, *a); }

INLINE void storeTail(double *a, size_t count, v128 value) {
  if (count > 1) _mm_storeu_pd(a, value);
  else _mm_store_sd(a, value);
}

INLINE Pair expBlock(
  bool stores, const double *x, double *out, size_t count, v128 round, v128 floor, v128 seed, const double *next, size_t nextCount
) {
  const size_t nextLast = nextCount - 4;
  v128 max = splat(next[0]), hi = seed, lo = splat(0);
  size_t j = 0;
  for (; j + 4 <= count; j += 4) {
    const v128 e0 = shiftedExp(_mm_loadu_pd(x + j), round, floor);
    if (stores) _mm_storeu_pd(out + j, e0);
    const v128 sum0 = hi + e0;
    const v128 lost0 = fastTwoSumError(hi, e0, sum0);
    const v128 e1 = shiftedExp(_mm_loadu_pd(x + j + 2), round, floor);
    if (stores) _mm_storeu_pd(out + j + 2, e1);
    hi = sum0 + e1;
    lo = lo + (lost0 + fastTwoSumError(sum0, e1, hi));
    const double *four = next + min(j, nextLast);
    max = pmax(max, pmax(_mm_loadu_pd(four), _mm_loadu_pd(four + 2)));
  }
  nextMax = larger(max[0], max[1]);
  if (nextCount > j) nextMax = larger(nextMax, reduceMax(next + j, nextCount - j));
  for (; j < count; j += 2) {
    const v128 e = shiftedExp(loadTail(x + j, count - j, -INFINITY), round, floor);
    if (stores) storeTail(out + j, count - j, e);
    const v128 sum = hi + e;
    lo = lo + fastTwoSumError(hi, e, sum);
    hi = sum;
  }
  return reduceAdd(hi - seed, lo);
}

/** Σ e_j of a row, the largest e_j, and its logit. */
typedef struct { Pair sum; double eMax, max; } Exps;

INLINE Exps expRow(bool stores, const double *x, double *out, const double *following) {
  const double round = expRound(nextMax), floor = nextMax - DEPTH;
  double max = nextMax;
  Pair sum = {0, 0};
  for (size_t at = 0, end; at < classes; at = end) {
    end = at + blockOf(classes - at);
    max = larger(max, nextMax);
    const double rise = (round - expRound(max)) / TABLE_SIZE;
    if (fabs(max) > LARGE || rise > HEADROOM) skip("logits far from 0 or rising far within a row");
    const double *next = end < classes ? x + end : following;
    const size_t nextCount = blockOf(end < classes ? classes - end : classes);
    const v128 seed = splat(ldexp(1, 385 + rise));
    sum = add(sum, expBlock(stores, x + at, out + at, end - at, splat(round), splat(floor), seed, next, nextCount));
  }
  const double total = sum.hi + sum.lo;
  return (Exps){{total, sum.lo - (total - sum.hi)}, shiftedExp(splat(max), splat(round), splat(floor))[0], max};
}

/** The sum without one of its terms, (hi, lo). */
static Pair sumWithout(Pair sum, double e) {
  const double difference = sum.hi - e;
  const double low = twoSumError(sum.hi, -e, difference) + sum.lo;
  const double rounded = difference + low;
  return (Pair){rounded, low - (rounded - difference)};
}

/** The gradient from e_j in place, (g p_j), and at the label −g Σ p_j of the others. */
INLINE void gradientRow(double *out, size_t label, Pair sum, Pair g) {
  const Pair others = sumWithout(sum, out[label]);
  const bool isNegligible = out[label] < 0x1p319;
  const double inverse = 1 / sum.hi;
  const double factor = upper(g.hi * inverse);
  const double low = quotientLow(factor, inverse, (Pair){g.hi, g.lo - factor * sum.lo}, sum.hi);
  const double scale = factor + low;
  for (size_t j = 0; j < classes; j++) out[j] *= scale;
  out[label] = isNegligible ? -g.hi : -(others.hi * factor + (others.hi * low + others.lo * factor));
}

INLINE void forwardRow(Task task, const double *x, size_t label, double *out, double *loss, const double *following, Pair g) {
  const Exps exps = expRow(task != LOSS, x, out, following);
  const Pair sum = exps.sum;
  if (task == PROBS) {
    for (size_t j = 0; j < classes; j++) out[j] /= sum.hi;
    return;
  }
  if (label >= classes) skip("labels that are no class");
  const Pair rest = sumWithout(sum, exps.eMax);
  if (rest.hi < exps.eMax * (0x1p-46 * block * block)) skip("rows with next to nothing beside the maximum");
  *loss = exps.max - x[label] + logRatio(exps.eMax, rest, sum);
  if (task == GRADIENT) gradientRow(out, label, sum, g);
}

INLINE void forwardRows(Task task, const double *x, const int32_t *labels, double *out, double *losses) {
  const double gHi = 1.0 / rows;
  const Pair g = {gHi, fma(-gHi, rows, 1) / rows};
  nextMax = reduceMax(x, blockOf(classes));
  for (size_t r = 0; r < rows; r++, x += classes, out += task == LOSS ? 0 : classes) {
    forwardRow(task, x, labels[r], out, losses + r, r + 1 < rows ? x + classes : x, g);
  }
}

// assembly/softmax/forward.ts

#define MAX_LANE_CLASSES 24

static double meanOf(const double *values, size_t count) {
  Pair sum = {0, 0};
  for (size_t i = 0; i < count; i++) sum = add((Pair){values[i], 0}, sum);
  if (sum.lo == 0) return sum.hi / count;
  const double q = upper(sum.hi * (1.0 / count));
  return q + quotientLow(q, 1.0 / count, sum, count);
}

// The runner.

static Task task;
static double *logits, *losses, *out, loss;
static int32_t *labels;

static __attribute__((noinline)) void run(void) {
  if (task == PROBS) return forwardRows(PROBS, logits, labels, out, losses);
  if (task == LOSS) forwardRows(LOSS, logits, labels, out, losses);
  else forwardRows(GRADIENT, logits, labels, out, losses);
  loss = meanOf(losses, rows);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/** Prints the median seconds of a call. A sample is one call, or as many calls as take about a millisecond. */
static void timeCalls(void) {
  static double samples[1 << 16];
  long warm = 0;
  int n = 0;
  const double start = seconds();
  for (; seconds() - start < 0.3; warm++) run();
  const long calls = fmax(1, 1e-3 * warm / (seconds() - start));
  for (const double sampling = seconds(); n < 5 || (seconds() - sampling < 1 && n < 1 << 16); n++) {
    const double before = seconds();
    for (long call = 0; call < calls; call++) run();
    samples[n] = (seconds() - before) / calls;
  }
  qsort(samples, n, sizeof *samples, ascending);
  printf("{\"seconds\": %.17g, \"samples\": %d}\n", (samples[(n - 1) / 2] + samples[n / 2]) / 2, n);
}

static FILE *openIn(const char *folder, const char *name, const char *mode) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, mode);
  if (!file) perror(path), exit(1);
  return file;
}

static void *readFrom(const char *folder, const char *name, size_t bytes) {
  FILE *file = openIn(folder, name, "rb");
  void *values = malloc(bytes);
  if (fread(values, 1, bytes, file) != bytes) fprintf(stderr, "%s is too short\n", name), exit(1);
  fclose(file);
  return values;
}

int main(int argc, char **argv) {
  if (argc != 7) return fprintf(stderr, "usage: softmax c softmax|loss|gradient outer classes inner folder\n"), 1;
  const char *op = argv[2], *folder = argv[6];
  rows = strtoull(argv[3], NULL, 10);
  classes = strtoull(argv[4], NULL, 10);
  if (strcmp(argv[5], "1")) skip("the C program has contiguous rows only");
  if (classes <= MAX_LANE_CLASSES) skip("the C program has rows of more than 24 classes only");
  task = !strcmp(op, "softmax") ? PROBS : !strcmp(op, "loss") ? LOSS : GRADIENT;
  const size_t blocks = (classes + BLOCK - 1) / BLOCK;
  block = ((classes + blocks - 1) / blocks + 3) & ~(size_t)3;
  logits = readFrom(folder, "logits.f64", rows * classes * sizeof *logits);
  labels = readFrom(folder, "labels.i32", rows * sizeof *labels);
  losses = malloc(rows * sizeof *losses);
  out = malloc(rows * classes * sizeof *out);
  makeTable();
  run();

  FILE *result = openIn(folder, "result.f64", "wb");
  if (task != PROBS) fwrite(&loss, sizeof loss, 1, result);
  if (task != LOSS) fwrite(out, sizeof *out, rows * classes, result);
  fclose(result);
  printf("ready float64\n");
  fflush(stdout);
  char answer[16];
  if (fgets(answer, sizeof answer, stdin) && !strcmp(answer, "go\n")) timeCalls();
  return 0;
}
