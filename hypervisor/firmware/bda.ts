/**
 * The BIOS data area at 0x400 and the vectors below it.
 * Reference: IBM PS/2 and PC BIOS Interface Technical Reference, "Data Areas and ROM Tables".
 */
import type { GuestMemory } from "../devices/device.js";

export const BDA_EBDA = 0x40e, BDA_EQUIPMENT = 0x410, BDA_SHIFT = 0x417, BDA_KEY_HEAD = 0x41a, BDA_KEY_TAIL = 0x41c, BDA_KEY_BUFFER = 0x41e, BDA_KEY_BUFFER_END = 0x43e,
  BDA_VIDEO_MODE = 0x449, BDA_COLUMNS = 0x44a, BDA_PAGE_BYTES = 0x44c, BDA_PAGE_START = 0x44e, BDA_CURSOR = 0x450, BDA_CURSOR_SHAPE = 0x460,
  BDA_PAGE = 0x462, BDA_CRTC = 0x463, BDA_TICKS = 0x46c, BDA_MIDNIGHT = 0x470, BDA_RESET_FLAG = 0x472, BDA_DISKS = 0x475, BDA_DISK_STATUS = 0x474,
  BDA_KEY_START = 0x480, BDA_KEY_END = 0x482, BDA_ROWS = 0x484, BDA_CHAR_HEIGHT = 0x485, BDA_VIDEO_CONTROL = 0x487, BDA_VIDEO_SWITCHES = 0x488,
  BDA_VGA_FLAGS = 0x489, BDA_KEYBOARD_FLAGS3 = 0x496;

/** Bytes, words and double words of memory by address. */
export class Cells {
  readonly memory: GuestMemory;
  private readonly bytes = new Uint8Array(4);
  private readonly view = new DataView(this.bytes.buffer);

  constructor(memory: GuestMemory) {
    this.memory = memory;
  }

  byte(at: number): number { return this.load(at, 1).getUint8(0); }
  word(at: number): number { return this.load(at, 2).getUint16(0, true); }
  dword(at: number): number { return this.load(at, 4).getUint32(0, true); }

  setByte(at: number, value: number): void { this.store(at, value, 1); }
  setWord(at: number, value: number): void { this.store(at, value, 2); }
  setDword(at: number, value: number): void { this.store(at, value, 4); }

  /** Sets a vector of the interrupt table. */
  setVector(vector: number, segment: number, offset: number): void {
    this.setWord(vector * 4, offset);
    this.setWord(vector * 4 + 2, segment);
  }

  private load(at: number, size: number): DataView {
    this.memory.read(at, this.bytes.subarray(0, size));
    return this.view;
  }

  private store(at: number, value: number, size: number): void {
    this.view.setUint32(0, value, true);
    this.memory.write(at, this.bytes.subarray(0, size));
  }
}
