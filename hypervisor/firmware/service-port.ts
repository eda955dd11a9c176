/** The port that the ROMs' stubs trap by: it finds the caller's registers, has the vector's service change them, and says what the stub is to do. */
import type { AccessSize, CountEvent, GuestMemory, PortDevice } from "../devices/device.js";
import { Frame } from "./frame.js";
import { RETURN } from "./rom.js";

/** Serves a call; gives what the stub is to do, if not to return. */
export type Service = (f: Frame) => number | void;

export class ServicePort implements PortDevice {
  private readonly memory: GuestMemory;
  private readonly count: CountEvent;
  private readonly services: ReadonlyMap<number, Service>;
  /** Event names of what is no interrupt. */
  private readonly names: Readonly<Record<number, string>>;
  private action: number = RETURN;

  constructor(memory: GuestMemory, count: CountEvent, services: ReadonlyMap<number, Service>, names: Readonly<Record<number, string>>) {
    this.memory = memory;
    this.count = count;
    this.services = services;
    this.names = names;
  }

  widest(): AccessSize {
    return 4;
  }

  /** What the stub is to do now. */
  read(): number {
    return this.action;
  }

  /** A stub calls: `address` is where its registers are. */
  write(_offset: number, size: AccessSize, address: number): void {
    if (size !== 4) return;
    const frame = new Frame(this.memory, address), { vector } = frame;
    this.count(`firmware.${this.names[vector] ?? `int_${vector.toString(16).padStart(2, "0")}`}`);
    this.action = this.services.get(vector)?.(frame) ?? RETURN;
    frame.store();
  }
}
