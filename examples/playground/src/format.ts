// Numbers as text.

const withSigns = (text: string) => text.replaceAll("-", "−").replace("e+", "e").replace("Infinity", "∞");

/** The shortest decimal form that gives the same double; with an exponent below 0.001. */
export function full(value: number): string {
  return withSigns(value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential() : String(value));
}

/** The shortest decimal form that gives the same float32. */
export function fullOfFloat32(value: number): string {
  const forms = Array.from({ length: 9 }, (_, k) => Number(value.toPrecision(k + 1)));
  return full(forms.find((form) => Math.fround(form) === value) ?? value);
}

/** Three significant digits, without an exponent between 0.001 and 10,000. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (value === 0 || !Number.isFinite(value)) return full(value);
  return withSigns(size >= 1e-3 && size < 1e4 ? value.toPrecision(size >= 1000 ? 4 : 3) : value.toExponential(2));
}
