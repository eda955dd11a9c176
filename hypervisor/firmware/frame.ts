/**
 * What a BIOS service sees of its caller: the registers that the ROM's stub (rom.ts) has pushed. What is changed here is
 * what the caller finds when the stub pops them again and returns.
 */
import type { GuestMemory } from "../devices/device.js";

/** Bytes from the frame's lowest address, as PUSHAD, PUSH and the interrupt leave them. */
const EDI = 0, ESI = 4, EBP = 8, EBX = 16, EDX = 20, ECX = 24, EAX = 28, ES = 32, DS = 34, VECTOR = 36, IP = 38, CS = 40, FLAGS = 42;
export const FRAME_BYTES = 44;

const FLAG_CF = 0x0001, FLAG_ZF = 0x0040;

export class Frame {
  private readonly memory: GuestMemory;
  private readonly at: number;
  private readonly bytes = new Uint8Array(FRAME_BYTES);
  private readonly view = new DataView(this.bytes.buffer);

  /** Reads the frame at this physical address. */
  constructor(memory: GuestMemory, at: number) {
    this.memory = memory;
    this.at = at;
    memory.read(at, this.bytes);
  }

  /** Puts the registers back for the stub to pop. */
  store(): void {
    this.memory.write(this.at, this.bytes);
  }

  get vector(): number { return this.view.getUint16(VECTOR, true); }

  get eax(): number { return this.view.getUint32(EAX, true); }
  set eax(value: number) { this.view.setUint32(EAX, value, true); }
  get ebx(): number { return this.view.getUint32(EBX, true); }
  set ebx(value: number) { this.view.setUint32(EBX, value, true); }
  get ecx(): number { return this.view.getUint32(ECX, true); }
  set ecx(value: number) { this.view.setUint32(ECX, value, true); }
  get edx(): number { return this.view.getUint32(EDX, true); }
  set edx(value: number) { this.view.setUint32(EDX, value, true); }

  get ax(): number { return this.view.getUint16(EAX, true); }
  set ax(value: number) { this.view.setUint16(EAX, value, true); }
  get bx(): number { return this.view.getUint16(EBX, true); }
  set bx(value: number) { this.view.setUint16(EBX, value, true); }
  get cx(): number { return this.view.getUint16(ECX, true); }
  set cx(value: number) { this.view.setUint16(ECX, value, true); }
  get dx(): number { return this.view.getUint16(EDX, true); }
  set dx(value: number) { this.view.setUint16(EDX, value, true); }
  get si(): number { return this.view.getUint16(ESI, true); }
  set si(value: number) { this.view.setUint16(ESI, value, true); }
  get di(): number { return this.view.getUint16(EDI, true); }
  set di(value: number) { this.view.setUint16(EDI, value, true); }
  get bp(): number { return this.view.getUint16(EBP, true); }
  set bp(value: number) { this.view.setUint16(EBP, value, true); }
  get es(): number { return this.view.getUint16(ES, true); }
  set es(value: number) { this.view.setUint16(ES, value, true); }
  get ds(): number { return this.view.getUint16(DS, true); }
  set ds(value: number) { this.view.setUint16(DS, value, true); }

  get al(): number { return this.bytes[EAX]!; }
  set al(value: number) { this.bytes[EAX] = value; }
  get ah(): number { return this.bytes[EAX + 1]!; }
  set ah(value: number) { this.bytes[EAX + 1] = value; }
  get bl(): number { return this.bytes[EBX]!; }
  set bl(value: number) { this.bytes[EBX] = value; }
  get bh(): number { return this.bytes[EBX + 1]!; }
  set bh(value: number) { this.bytes[EBX + 1] = value; }
  get cl(): number { return this.bytes[ECX]!; }
  set cl(value: number) { this.bytes[ECX] = value; }
  get ch(): number { return this.bytes[ECX + 1]!; }
  set ch(value: number) { this.bytes[ECX + 1] = value; }
  get dl(): number { return this.bytes[EDX]!; }
  set dl(value: number) { this.bytes[EDX] = value; }
  get dh(): number { return this.bytes[EDX + 1]!; }
  set dh(value: number) { this.bytes[EDX + 1] = value; }

  get carry(): boolean { return (this.view.getUint16(FLAGS, true) & FLAG_CF) !== 0; }
  set carry(on: boolean) { this.flag(FLAG_CF, on); }
  set zero(on: boolean) { this.flag(FLAG_ZF, on); }

  private flag(bit: number, on: boolean): void {
    const flags = this.view.getUint16(FLAGS, true);
    this.view.setUint16(FLAGS, on ? flags | bit : flags & ~bit, true);
  }

  /** Lets the stub return somewhere else, with interrupts on. */
  returnTo(segment: number, offset: number): void {
    this.view.setUint16(CS, segment, true);
    this.view.setUint16(IP, offset, true);
    this.view.setUint16(FLAGS, 0x0202, true);
  }
}
