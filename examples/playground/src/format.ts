// Numbers as text.

const withSigns = (text: string) => text.replaceAll("-", "−").replace("e+", "e").replace("Infinity", "∞");

/** All digits that tell a double from its neighbours. */
export function full(value: number): string {
  return withSigns(String(Object.is(value, -0) ? 0 : value));
}

/** Three significant digits, without an exponent between 0.001 and 10,000. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (value === 0 || !Number.isFinite(value)) return full(value);
  return withSigns(size >= 1e-3 && size < 1e4 ? value.toPrecision(size >= 1000 ? 4 : 3) : value.toExponential(2));
}
