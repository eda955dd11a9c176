/** Elementary functions in fixed point of 256 places, by their series: slow and plainly right. */
export const PLACES = 256n;
export const ONE = 1n << PLACES;

export const multiply = (a: bigint, b: bigint): bigint => a * b >> PLACES;
export const divide = (a: bigint, b: bigint): bigint => (a << PLACES) / b;
const spent = (term: bigint): boolean => term === 0n || term === -1n;

/** Half of the processor's pi of 66 bits (SDM vol. 1, 8.3.8). */
export const HALF_PI = 0xc90fdaa22168c234cn << PLACES - 67n;

/** ln x by 2 atanh((x - 1) / (x + 1)). */
export function ln(x: bigint): bigint {
  const s = divide(x - ONE, x + ONE), square = multiply(s, s);
  let term = s, sum = 0n;
  for (let k = 1n; !spent(term); k += 2n) {
    sum += term / k;
    term = multiply(term, square);
  }
  return 2n * sum;
}

export function exp(x: bigint): bigint {
  let term = ONE, sum = 0n;
  for (let k = 1n; !spent(term); k++) {
    sum += term;
    term = multiply(term, x) / k;
  }
  return sum;
}

export function sineCosine(x: bigint): [bigint, bigint] {
  const square = multiply(x, x);
  const series = (first: bigint, from: bigint): bigint => {
    let term = first, sum = 0n;
    for (let k = from; !spent(term); k += 2n) {
      sum += term;
      term = -multiply(term, square) / ((k + 1n) * (k + 2n));
    }
    return sum;
  };
  return [series(x, 1n), series(ONE, 0n)];
}

function root(x: bigint): bigint {
  const value = x << PLACES;
  let guess = 1n << BigInt(value.toString(2).length + 1 >> 1);
  for (;;) {
    const next = guess + value / guess >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}

/** atan x: the angle halved six times, then the series. */
export function atan(x: bigint): bigint {
  let t = x;
  for (let i = 0; i < 6; i++) t = divide(t, ONE + root(ONE + multiply(t, t)));
  const square = multiply(t, t);
  let term = t, sum = 0n;
  for (let k = 1n; !spent(term); k += 2n) {
    sum += term / k;
    term = -multiply(term, square);
  }
  return 64n * sum;
}
