/**
 * How long a disk takes: one seek (with the rotation to the sector) unless the transfer goes on where
 * the last one ended, then a time for each sector. A write is done when the drive's write cache has it, as drives
 * are shipped; the cache is emptied in order, reads go first, and a flush waits. Virtual cycles throughout, so it repeats exactly.
 */

export interface DiskTiming {
  /** Virtual cycles from a command to its first sector when the head has to move. */
  readonly seekCycles: number;
  /** Virtual cycles for one 512-byte sector to pass. */
  readonly cyclesPerSector: number;
  /** The write cache: its size in sectors, and virtual cycles for a sector to get there. None when it is left out. */
  readonly cache?: { readonly sectors: number; readonly cyclesPerSector: number };
}

/** A mechanism as its data sheet describes it. */
export interface DiskMechanics {
  /** Average seek in milliseconds. */
  readonly seekMs: number;
  /** Spindle speed in revolutions a minute; half a revolution is added to a seek. */
  readonly rpm: number;
  /** Sustained transfer rate in units of 1,000,000 bytes a second. */
  readonly megabytesPerSecond: number;
  /** The write cache in KiB, and the interface's rate in the units of the transfer rate. */
  readonly cache?: { readonly kibibytes: number; readonly megabytesPerSecond: number };
}

/**
 * A 7,200 rpm desktop disk of 2003 on Ultra DMA mode 5, which is 100 MB/s (ATA/ATAPI-6): seek, spindle, buffer and interface are the Seagate
 * Barracuda 7200.7's (8.5 ms, 2 MB, ATA-100: https://redhill.net.au/d/141.php), and so is its average sustained rate of 58 MB/s
 * (https://techreport.com/review/8160/seagate-barracuda-7200-8-hard-drive, the table of specifications, for the same platters). Drives of this kind
 * were shipped with the write cache on. The disk of the SOSP testbed, a Hitachi DK32EJ of 10,000 rpm, was a SCSI one, and this PC has IDE.
 */
export const DESKTOP_DISK_2003: DiskMechanics = { seekMs: 8.5, rpm: 7200, megabytesPerSecond: 58, cache: { kibibytes: 2048, megabytesPerSecond: 100 } };

const SECTOR_BYTES = 512;

/** The timing of a mechanism in cycles of a clock of `hz` cycles a second. */
export function diskTiming(mechanics: DiskMechanics, hz: number): DiskTiming {
  const halfTurnMs = 60_000 / mechanics.rpm / 2, { cache } = mechanics;
  const sector = (megabytesPerSecond: number): number => Math.round(SECTOR_BYTES / (megabytesPerSecond * 1e6) * hz);
  return {
    seekCycles: Math.round((mechanics.seekMs + halfTurnMs) / 1000 * hz),
    cyclesPerSector: sector(mechanics.megabytesPerSecond),
    ...(cache ? { cache: { sectors: cache.kibibytes * 1024 / SECTOR_BYTES, cyclesPerSector: sector(cache.megabytesPerSecond) } } : {}),
  };
}

interface Pending { readonly lba: number; readonly count: number; readonly until: number }

/** One disk's head: where it is, and until when it is busy; and what is in the write cache. */
export class DiskHead {
  private readonly timing: DiskTiming;
  private nextLba = -1;
  private freeAt = 0;
  /** When the last of the cache's contents is on the medium. */
  private emptyAt = 0;
  private pending: Pending[] = [];
  private held = 0;

  constructor(timing: DiskTiming) {
    this.timing = timing;
  }

  private move(start: number, lba: number, count: number): number {
    const seek = lba === this.nextLba ? 0 : this.timing.seekCycles;
    this.nextLba = lba + count;
    return start + seek + count * this.timing.cyclesPerSector;
  }

  /** Virtual cycle at which `count` sectors from `lba` have passed when asked for at `now`. */
  pass(now: number, lba: number, count: number): number {
    const { cache } = this.timing;
    if (cache && count > 0 && this.holds(now, lba, count)) return now + count * cache.cyclesPerSector;
    const start = Math.max(now, this.freeAt);
    this.freeAt = this.move(start, lba, count);
    if (this.emptyAt > now) this.emptyAt += this.freeAt - start;
    return this.freeAt;
  }

  /** Virtual cycle at which the drive says that `count` sectors from `lba` have been written. */
  write(now: number, lba: number, count: number): number {
    const { cache } = this.timing;
    if (!cache || count > cache.sectors) return this.pass(now, lba, count);
    if (this.holds(now, lba, count)) return now + count * cache.cyclesPerSector;
    let start = now;
    while (this.held + count > cache.sectors) start = Math.max(start, this.takeOldest());
    this.emptyAt = this.move(Math.max(start, this.freeAt, this.emptyAt), lba, count);
    this.pending.push({ lba, count, until: this.emptyAt });
    this.held += count;
    return start + count * cache.cyclesPerSector;
  }

  /** Virtual cycle at which everything that was written is on the medium. */
  flushed(now: number): number {
    return Math.max(now, this.emptyAt);
  }

  private takeOldest(): number {
    const { count, until } = this.pending.shift()!;
    this.held -= count;
    return until;
  }

  private holds(now: number, lba: number, count: number): boolean {
    while (this.pending.length > 0 && this.pending[0]!.until <= now) this.takeOldest();
    return this.pending.some((p) => p.lba <= lba && lba + count <= p.lba + p.count);
  }
}
