/** Numbers as people read them. */

/** Whole numbers in groups of three: 1,234,567. */
export function grouped(value: number): string {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Three significant digits or more, with k, M or G where that is shorter. */
export function short(value: number): string {
  const sizes: readonly (readonly [number, string])[] = [[1e9, "G"], [1e6, "M"], [1e4, "k"]];
  for (const [size, letter] of sizes) if (Math.abs(value) >= size) return `${significant(value / (letter === "k" ? 1e3 : size))} ${letter}`;
  return value % 1 === 0 || Math.abs(value) >= 1000 ? grouped(value) : significant(value);
}

/** Three significant digits, never an exponent. */
export function significant(value: number): string {
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 6)).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

/** A ratio: 1.00, 12.3, 123. */
export function ratio(value: number): string {
  return value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : grouped(value);
}

/** Seconds as ns, µs, ms or s. */
export function time(seconds: number): string {
  const units: readonly (readonly [number, string])[] = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]];
  for (const [size, unit] of units) if (seconds >= size) return `${significant(seconds / size)} ${unit}`;
  return `${significant(seconds * 1e9)} ns`;
}
