/** FAT12 disks for tests: the smallest that a boot sector can find a file on. Reference: Microsoft, FAT: General Overview of On-Disk Format 1.03. */

const SECTOR = 512, ENTRY = 32;

export interface FatOptions {
  /** Of the whole disk; 2880 makes a diskette. */
  readonly sectors: number;
  readonly sectorsPerCluster?: number;
  readonly bootSector: Uint8Array;
  /** Files by their 8.3 names. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** Leaves a free cluster between any two of a file. */
  readonly fragmented?: boolean;
}

const ROOT_ENTRIES = 64, FAT_SECTORS = 9, RESERVED = 1, FATS = 2, LAST = 0xfff;

/** The disk's bytes. */
export function fatDisk(options: FatOptions): Uint8Array {
  const { sectors, sectorsPerCluster = 1, bootSector, files } = options;
  const disk = new Uint8Array(sectors * SECTOR), view = new DataView(disk.buffer);
  disk.set(bootSector);
  view.setUint16(11, SECTOR, true);
  view.setUint8(13, sectorsPerCluster);
  view.setUint16(14, RESERVED, true);
  view.setUint8(16, FATS);
  view.setUint16(17, ROOT_ENTRIES, true);
  view.setUint16(19, sectors, true);
  view.setUint16(22, FAT_SECTORS, true);
  const root = (RESERVED + FATS * FAT_SECTORS) * SECTOR, data = root + ROOT_ENTRIES * ENTRY, clusterBytes = sectorsPerCluster * SECTOR;
  const link = (cluster: number, next: number): void => {
    for (let fat = 0; fat < FATS; fat++) {
      const at = (RESERVED + fat * FAT_SECTORS) * SECTOR + cluster + (cluster >> 1);
      const old = view.getUint16(at, true);
      view.setUint16(at, cluster % 2 === 0 ? old & 0xf000 | next : old & 0x000f | next << 4, true);
    }
  };
  link(0, 0xff0);
  link(1, LAST);
  const step = options.fragmented ? 2 : 1;
  let free = 2;
  Object.entries(files).forEach(([name, bytes], i) => {
    const [base = "", extension = ""] = name.split(".");
    const at = root + i * ENTRY;
    disk.set(new TextEncoder().encode(base.padEnd(8) + extension.padEnd(3)), at);
    view.setUint8(at + 11, 0x20);
    view.setUint16(at + 26, bytes.length === 0 ? 0 : free, true);
    view.setUint32(at + 28, bytes.length, true);
    for (let done = 0; done < bytes.length; done += clusterBytes, free += step) {
      disk.set(bytes.subarray(done, done + clusterBytes), data + (free - 2) * clusterBytes);
      link(free, done + clusterBytes < bytes.length ? free + step : LAST);
    }
  });
  return disk;
}
