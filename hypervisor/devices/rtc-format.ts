/** How the MC146818 writes numbers: in binary or BCD, hours of 24 or of 12 with PM in bit 7, as its register B says (datasheet, table 3). */

export const B_DM_BINARY = 0x04, B_24H = 0x02;
const HOUR_PM = 0x80;

export function encode(registerB: number, value: number): number {
  return (registerB & B_DM_BINARY) !== 0 ? value : toBcd(value);
}

export function decode(registerB: number, value: number): number {
  return (registerB & B_DM_BINARY) !== 0 ? value : fromBcd(value);
}

/** An hour from 0 to 23. */
export function encodeHour(registerB: number, hour: number): number {
  if ((registerB & B_24H) !== 0) return encode(registerB, hour);
  return encode(registerB, hour % 12 || 12) | (hour >= 12 ? HOUR_PM : 0);
}

export function decodeHour(registerB: number, value: number): number {
  if ((registerB & B_24H) !== 0) return decode(registerB, value);
  return (decode(registerB, value & ~HOUR_PM) % 12) + ((value & HOUR_PM) !== 0 ? 12 : 0);
}

export function toBcd(value: number): number {
  return ((Math.floor(value / 10) % 10) << 4) | (value % 10);
}

export function fromBcd(value: number): number {
  return (value >>> 4) * 10 + (value & 15);
}
