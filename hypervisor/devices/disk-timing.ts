/**
 * How long a disk takes: one seek (with the rotation to the sector) unless the transfer goes on where
 * the last one ended, then a time for each sector. Virtual cycles throughout, so it repeats exactly.
 */

export interface DiskTiming {
  /** Virtual cycles from a command to its first sector when the head has to move. */
  readonly seekCycles: number;
  /** Virtual cycles for one 512-byte sector to pass. */
  readonly cyclesPerSector: number;
}

/** A mechanism as its data sheet describes it. */
export interface DiskMechanics {
  /** Average seek in milliseconds. */
  readonly seekMs: number;
  /** Spindle speed in revolutions a minute; half a revolution is added to a seek. */
  readonly rpm: number;
  /** Sustained transfer rate in units of 1,000,000 bytes a second. */
  readonly megabytesPerSecond: number;
}

/** A 7,200 rpm desktop disk of 2003. */
export const DESKTOP_DISK_2003: DiskMechanics = { seekMs: 8.5, rpm: 7200, megabytesPerSecond: 50 };

const SECTOR_BYTES = 512;

/** The timing of a mechanism in cycles of a clock of `hz` cycles a second. */
export function diskTiming(mechanics: DiskMechanics, hz: number): DiskTiming {
  const halfTurnMs = 60_000 / mechanics.rpm / 2;
  return {
    seekCycles: Math.round((mechanics.seekMs + halfTurnMs) / 1000 * hz),
    cyclesPerSector: Math.round(SECTOR_BYTES / (mechanics.megabytesPerSecond * 1e6) * hz),
  };
}

/** One disk's head: where it is, and until when it is busy. */
export class DiskHead {
  private readonly timing: DiskTiming;
  private nextLba = -1;
  private freeAt = 0;

  constructor(timing: DiskTiming) {
    this.timing = timing;
  }

  /** Virtual cycle at which `count` sectors from `lba` have passed when asked for at `now`. */
  pass(now: number, lba: number, count: number): number {
    const start = Math.max(now, this.freeAt);
    const seek = lba === this.nextLba ? 0 : this.timing.seekCycles;
    this.nextLba = lba + count;
    this.freeAt = start + seek + count * this.timing.cyclesPerSector;
    return this.freeAt;
  }
}
