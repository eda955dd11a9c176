/** BIOS services by their frames: a caller's registers in, registers and memory out, without a processor. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { MemoryBackend } from "../../hypervisor/devices/block-backend.js";
import type { GuestMemory } from "../../hypervisor/devices/device.js";
import { DESKTOP_DISK_2003, diskTiming } from "../../hypervisor/devices/disk-timing.js";
import { createPlatform, type Platform } from "../../hypervisor/devices/platform.js";
import { Bios } from "../../hypervisor/firmware/bios.js";
import { Frame, FRAME_BYTES } from "../../hypervisor/firmware/frame.js";
import { cdRom, diskette, hardDisk } from "../../hypervisor/firmware/drives.js";
import { VIDEO_SEGMENT } from "../../hypervisor/firmware/video-rom.js";
import { RETURN, VECTOR_MOUSE, VECTOR_POST, WAIT } from "../../hypervisor/firmware/rom.js";

const MIB = 1 << 20, AT = 0x7000, VECTOR_OFFSET = 36;

interface Rig {
  readonly platform: Platform;
  readonly ram: Uint8Array;
  /** Bytes of guest memory as little-endian words. */
  readonly view: DataView;
  readonly disk: MemoryBackend;
  /** Calls a service with registers set by `set`; gives the frame as it is afterwards. */
  call(vector: number, set?: (f: Frame) => void): Frame;
  /** What the stub was told to do. */
  action(): number;
}

function rig(): Rig {
  const ram = new Uint8Array(32 * MIB);
  const memory: GuestMemory = {
    size: ram.length,
    read: (pa, into) => { into.fill(0); into.set(ram.subarray(pa, pa + into.length)); },
    write: (pa, from) => { if (pa + from.length <= ram.length) ram.set(from, pa); },
  };
  const clock = { hz: 1e9, now: () => 0, schedule: () => 1, cancel: () => {} };
  const disk = new MemoryBackend(20480), ignore = (): void => {};
  const platform = createPlatform({
    clock, memory, count: ignore, serialOut: ignore, debugOut: ignore, onExit: ignore, onReset: ignore, diskTiming: diskTiming(DESKTOP_DISK_2003, 1e9), disks: [disk],
  });
  const drives = [diskette(new MemoryBackend(2880))!, hardDisk(disk, 0x80), cdRom(new MemoryBackend(64), 0xe0)];
  const bios = new Bios({ platform, memory, drives, count: ignore });
  bios.install();
  const call = (vector: number, set: (f: Frame) => void = () => {}): Frame => {
    ram.fill(0, AT, AT + FRAME_BYTES);
    ram[AT + VECTOR_OFFSET] = vector & 0xff;
    ram[AT + VECTOR_OFFSET + 1] = vector >>> 8;
    const frame = new Frame(memory, AT);
    set(frame);
    frame.store();
    bios.port.write(0, 4, AT);
    return new Frame(memory, AT);
  };
  call(VECTOR_POST);
  return { platform, ram, view: new DataView(ram.buffer), disk, call, action: () => bios.port.read() };
}

test("the self-test leaves vectors, data area and interrupt controllers as a PC's BIOS does", () => {
  const { view, platform, call } = rig();
  for (let vector = 0; vector < 256; vector++) if (![0x1d].includes(vector)) {
    assert.is(view.getUint16(vector * 4 + 2, true), [0x10, 0x1f, 0x43].includes(vector) ? VIDEO_SEGMENT : 0xf000, `vector ${vector}`);
  }
  assert.is(view.getUint8(0x475), 1);
  assert.is(view.getUint16(0x44a, true), 80);
  assert.is(platform.ports.read(0x21, 1), 0xb8);
  assert.is(platform.ports.read(0xa1, 1), 0x8f);
  assert.is(call(0x12).ax, 639);
  assert.is(call(0x11).ax & 1, 1);
});

test("INT 10h: teletype, cursor, scrolling, strings", () => {
  const { platform, call, ram } = rig();
  const type = (text: string): void => { for (const c of text) call(0x10, (f) => { f.ax = 0x0e00 | c.charCodeAt(0); }); };
  type("one\r\ntwo");
  assert.is(platform.vga.screenText().split("\n").slice(0, 2).join("|"), "one|two");
  assert.is(call(0x10, (f) => { f.ah = 3; }).dx, 0x0103);
  assert.is(platform.vga.cursor, 83);
  type("\r\n".repeat(24));
  assert.is(platform.vga.screenText().split("\n")[0], "two");
  call(0x10, (f) => { f.ah = 2; f.dx = 0x0500; });
  call(0x10, (f) => { f.ax = 0x0941; f.bl = 0x1e; f.cx = 3; });
  assert.is(platform.vga.screenText().split("\n")[5], "AAA");
  assert.is(call(0x10, (f) => { f.ah = 8; }).ax, 0x1e41);
  ram.set(new TextEncoder().encode("string"), 0x8000);
  call(0x10, (f) => { f.ax = 0x1301; f.bx = 7; f.cx = 6; f.dx = 0x0a02; f.bp = 0x8000; });
  assert.is(platform.vga.screenText().split("\n")[10], "  string");
  call(0x10, (f) => { f.ah = 6; f.dx = 0x184f; f.bh = 7; });
  assert.is(platform.vga.screenText().trim(), "");
  assert.is(call(0x10, (f) => { f.ah = 0x0f; }).ax, 0x5003);
});

test("INT 10h: VBE lists modes, describes and sets them", () => {
  const { platform, call, view } = rig();
  assert.is(call(0x10, (f) => { f.ax = 0x4f00; f.di = 0x8000; }).ax, 0x004f);
  assert.is(view.getUint32(0x8000, false), 0x56455341);
  const list = view.getUint16(0x8010, true) * 16 + view.getUint16(0x800e, true);
  const modes: number[] = [];
  for (let at = list; view.getUint16(at, true) !== 0xffff; at += 2) modes.push(view.getUint16(at, true));
  assert.ok(modes.includes(0x118));
  for (const mode of modes) assert.is(call(0x10, (f) => { f.ax = 0x4f01; f.cx = mode; f.di = 0x8000; }).ax, 0x004f);
  call(0x10, (f) => { f.ax = 0x4f01; f.cx = 0x118; f.di = 0x8000; });
  assert.equal([view.getUint16(0x8012, true), view.getUint16(0x8014, true), view.getUint8(0x8019), view.getUint32(0x8028, true)], [1024, 768, 24, 0xe0000000]);
  assert.is(call(0x10, (f) => { f.ax = 0x4f02; f.bx = 0x4118; }).ax, 0x004f);
  platform.mmio.write(0xe0000000, 4, 0x00ff8040);
  const { width, height, rgb } = platform.vga.screenRgb();
  assert.equal([width, height, ...rgb.subarray(0, 3)], [1024, 768, 0xff, 0x80, 0x40]);
  assert.is(call(0x10, (f) => { f.ax = 0x4f02; f.bx = 0x4199; }).ax, 0x014f);
  call(0x10, (f) => { f.ax = 3; });
  assert.ok(platform.vga.textMode && !platform.vga.dispi.enabled);
});

test("INT 13h: geometry, CHS and packets agree; what is out of range fails", () => {
  const { call, disk, ram, view } = rig();
  const sector = new Uint8Array(512).fill(0x5a);
  disk.write(1070, 1, sector);
  const geometry = call(0x13, (f) => { f.ah = 8; f.dl = 0x80; });
  assert.equal([geometry.carry, geometry.dh + 1, geometry.cl & 63, geometry.dl], [false, 16, 63, 1]);
  const [head, track] = [Math.floor(1070 / 63) % 16, Math.floor(1070 / 63 / 16)];
  const read = call(0x13, (f) => { f.ax = 0x0201; f.ch = track; f.cl = 1070 % 63 + 1; f.dh = head; f.dl = 0x80; f.es = 0x0900; });
  assert.equal([read.carry, read.ax], [false, 1]);
  assert.equal(ram.subarray(0x9000, 0x9200), sector);
  assert.is(call(0x13, (f) => { f.ah = 0x41; f.bx = 0x55aa; f.dl = 0x80; }).bx, 0xaa55);
  const packet = (lba: number, count: number): void => { [0x10 | count << 16, 0x0a00_0000, lba, 0].forEach((v, i) => view.setUint32(0x8000 + 4 * i, v, true)); };
  ram.fill(0xc3, 0xa000, 0xa200);
  packet(7, 1);
  assert.is(call(0x13, (f) => { f.ax = 0x4300; f.dl = 0x80; f.si = 0x8000; }).carry, false);
  const back = new Uint8Array(512);
  disk.read(7, 1, back);
  assert.is(back[511], 0xc3);
  packet(20480, 1);
  const failed = call(0x13, (f) => { f.ax = 0x4200; f.dl = 0x80; f.si = 0x8000; });
  assert.equal([failed.carry, failed.ah, view.getUint16(0x8002, true)], [true, 4, 0]);
  assert.is(call(0x13, (f) => { f.ah = 1; f.dl = 0x80; }).ah, 4);
  assert.is(call(0x13, (f) => { f.ah = 2; f.al = 1; f.dl = 0x85; }).carry, true);
  view.setUint16(0x8000, 30, true);
  assert.is(call(0x13, (f) => { f.ah = 0x48; f.dl = 0xe0; f.si = 0x8000; }).carry, false);
  assert.equal([view.getUint16(0x8018, true), view.getUint32(0x8010, true)], [2048, 16]);
  assert.equal([call(0x13, (f) => { f.ah = 8; f.dl = 0; }).bl, call(0x13, (f) => { f.ah = 8; f.dl = 0; }).cx], [4, 0x4f12]);
});

test("INT 15h: the memory map, its old forms, A20, a block above 1 MiB", () => {
  const { call, view, ram, platform } = rig();
  const ranges: number[][] = [];
  for (let next = 0; ;) {
    const f = call(0x15, (r) => { r.eax = 0xe820; r.ebx = next; r.ecx = 24; r.edx = 0x534d4150; r.di = 0x8000; });
    assert.equal([f.carry, f.eax, f.ecx], [false, 0x534d4150, 20]);
    ranges.push([view.getUint32(0x8000, true), view.getUint32(0x8008, true), view.getUint32(0x8010, true)]);
    if ((next = f.ebx) === 0) break;
  }
  assert.equal(ranges[0], [0, 0x9fc00, 1]);
  assert.equal(ranges.at(-1), [MIB, 31 * MIB, 1]);
  const sizes = call(0x15, (f) => { f.ax = 0xe801; });
  assert.equal([sizes.ax, sizes.bx, sizes.cx, sizes.dx], [15 * 1024, 256, 15 * 1024, 256]);
  assert.is(call(0x15, (f) => { f.ah = 0x88; }).ax, 31 * 1024);
  call(0x15, (f) => { f.ax = 0x2400; });
  assert.is(platform.a20.open, false);
  assert.is(call(0x15, (f) => { f.ax = 0x2402; }).al, 0);
  call(0x15, (f) => { f.ax = 0x2401; });
  assert.is(platform.a20.open, true);
  ram.set([1, 2, 3, 4], 0x9000);
  view.setUint32(0x8012, 0x9300_9000, true);
  view.setUint32(0x801a, 0x9320_0000, true);
  assert.is(call(0x15, (f) => { f.ah = 0x87; f.cx = 2; f.si = 0x8000; }).carry, false);
  assert.equal([...ram.subarray(2 * MIB, 2 * MIB + 4)], [1, 2, 3, 4]);
  assert.equal([call(0x15, (f) => { f.ah = 0x53; }).carry, call(0x15, (f) => { f.ah = 0x53; }).ah], [true, 0x86]);
});

test("INT 16h: keys of the keyboard and bytes of the serial port", () => {
  const { call, platform, action } = rig();
  assert.is(call(0x16, (f) => { f.ah = 0; }).ax, 0);
  assert.is(action(), WAIT);
  platform.keyboard.keyboard.key(0x1c, true); // a
  call(0x09);
  assert.is(call(0x16, (f) => { f.ah = 1; }).ax, 0x1e61);
  assert.is(call(0x16).ax, 0x1e61);
  assert.is(action(), RETURN);
  platform.keyboard.keyboard.key(0x12, true); // shift
  call(0x09);
  platform.keyboard.keyboard.key(0x1a, true); // z
  call(0x09);
  assert.is(call(0x16).ax, 0x2c5a);
  platform.uart.receive([0x6c]);
  assert.is(call(0x16).ax, 0x266c);
  platform.uart.receive([0x1b, 0x5b, 0x41]);
  const key = call(0x16).ax;
  assert.is(key >>> 8, 0x48);
});

test("INT 15h C2h: the mouse's commands, and packets for the handler", () => {
  const { call, platform } = rig();
  const c2 = (al: number, bh = 0, more: (f: Frame) => void = () => {}): Frame => call(0x15, (f) => { f.ax = 0xc200 | al; f.bh = bh; more(f); });
  const failed = (f: Frame): number => f.carry ? f.ah : 0;
  assert.is(failed(c2(0x00, 1)), 5, "no handler yet");
  assert.is(failed(c2(0x05, 9)), 2);
  assert.equal([0x05, 0x01].map((al) => { const f = c2(al, 3); return [failed(f), f.bx]; }), [[0, 0x00aa], [0, 0x00aa]]);
  assert.is(failed(c2(0x02, 7)), 2);
  assert.is(failed(c2(0x02, 3)), 0);
  assert.is(failed(c2(0x03, 1)), 0);
  assert.is(failed(c2(0x06, 2)), 0);
  const status = c2(0x06);
  assert.equal([status.bl, status.cl, status.dl], [0x10, 1, 60], "scaling 2:1, resolution, rate");
  assert.is(c2(0x04).bh, 0);
  assert.is(failed(c2(0x42)), 1);
  assert.is(failed(c2(0x07, 0, (f) => { f.es = 0x1234; f.bx = 0x10; })), 0);
  assert.is(failed(c2(0x00, 1)), 0);
  assert.is(platform.ports.read(0x64, 1) & 1, 0, "no byte is left over");
  platform.keyboard.mouse.move(5, -3, 1);
  assert.equal([1, 2].map(() => call(VECTOR_MOUSE).al), [0, 0]);
  const packet = call(VECTOR_MOUSE);
  assert.equal([packet.al, packet.bx, packet.cx, packet.dx], [1, 0x29, 5, 0xfd]);
  assert.is(call(VECTOR_MOUSE, (f) => { f.al = 7; }).al, 0, "nothing more");
  platform.keyboard.keyboard.key(0x1c, true);
  c2(0x00, 0);
  assert.is(call(0x16, (f) => { f.ah = 1; }).al, 0x61, "a key that waited is not lost");
});

test("INT 1Ah and INT 08h: ticks, the date, the PCI BIOS", () => {
  const { call } = rig();
  const before = call(0x1a).dx;
  for (let i = 0; i < 5; i++) call(0x08);
  assert.is(call(0x1a).dx, before + 5);
  const date = call(0x1a, (f) => { f.ah = 4; });
  assert.equal([date.cx, date.dx], [0x2003, 0x1019]);
  assert.is(call(0x1a, (f) => { f.ax = 0xb101; }).edx, 0x20494350);
  const bridge = call(0x1a, (f) => { f.ax = 0xb102; f.cx = 0x1237; f.dx = 0x8086; });
  assert.equal([bridge.carry, bridge.bx], [false, 0]);
  const ide = call(0x1a, (f) => { f.ax = 0xb103; f.ecx = 0x010180; });
  assert.equal([ide.carry, ide.bx], [false, 9]);
  assert.is(call(0x1a, (f) => { f.ax = 0xb109; f.bx = 9; f.di = 2; }).cx, 0x7010);
  assert.is(call(0x1a, (f) => { f.ax = 0xb102; f.cx = 1; f.dx = 1; }).ah, 0x86);
});

test("random registers never throw, whatever the service", () => {
  const { call } = rig();
  let state = 12345;
  const random = (): number => (state = Math.imul(state, 1664525) + 1013904223 >>> 0);
  for (let i = 0; i < 20_000; i++) {
    call([0x10, 0x11, 0x13, 0x15, 0x16, 0x17, 0x1a][random() % 7]!, (f) => {
      f.eax = random() & 0xffff; f.ebx = random(); f.ecx = random(); f.edx = i % 2 === 0 ? 0x80 : random();
      f.si = 0x8000; f.di = 0x8000; f.es = random() >>> 16; f.ds = random() >>> 16; f.bp = random() >>> 16;
      if (f.ah === 0x13) f.cx &= 0xff;
    });
  }
});

test.run();
