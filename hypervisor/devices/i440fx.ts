/**
 * The 440FX host bridge and the ISA bridge of the PIIX3, as PCI functions: identity, the registers that say which memory
 * is shadowed and where PCI interrupts go.
 * Reference: Intel 82441FX PMC (290549), 3.2; Intel 82371SB PIIX3 (290550), 2.2.
 * Left out: DRAM configuration, ECC, the AGP of later bridges; PAM registers keep what is written but shadow RAM is
 * always on, as firmware leaves it.
 */
import type { IrqLine } from "./device.js";
import { COMMAND_IO, COMMAND_MASTER, COMMAND_MEMORY, PciFunction } from "./pci.js";

const PAM0 = 0x59, PAM_COUNT = 7, PAM_ALL_RAM = 0x33;
const PIRQ_ROUTE = 0x60, PIRQ_COUNT = 4, PIRQ_DISABLED = 0x80;
/** IRQs that PIRQA# to PIRQD# go to, as firmware routes them. */
export const PCI_IRQS: readonly [number, number, number, number] = [11, 10, 11, 10];
const IRQ_MASK = 0xdef8;

export function hostBridge(): PciFunction {
  const config = new PciFunction({ vendor: 0x8086, device: 0x1237, revision: 2, classCode: 0x06_0000, command: COMMAND_MEMORY | COMMAND_MASTER, status: 0x2280 });
  config.put(0x04, 2, COMMAND_MEMORY | COMMAND_MASTER);
  for (let i = 0; i < PAM_COUNT; i++) {
    config.put(PAM0 + i, 1, PAM_ALL_RAM);
    config.allow(PAM0 + i, 1, i === 0 ? 0xf0 : 0xff);
  }
  return config;
}

/** The ISA bridge: owns the routing of PCI interrupts to IRQs. */
export class IsaBridge {
  readonly config = new PciFunction({
    vendor: 0x8086, device: 0x7000, revision: 0, classCode: 0x06_0100, multifunction: true, command: COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER, status: 0x0200,
  });
  private readonly irq: (irq: number) => IrqLine;
  /** Devices that assert each PIRQ, as a set of bits by slot and pin. */
  private readonly asserted: [number, number, number, number] = [0, 0, 0, 0];

  constructor(irq: (irq: number) => IrqLine) {
    this.irq = irq;
    this.config.allow(PIRQ_ROUTE, 4, 0x8f8f_8f8f);
    this.config.onWrite = offset => { if (offset >= PIRQ_ROUTE && offset < PIRQ_ROUTE + PIRQ_COUNT) this.update(); };
    this.reset();
  }

  reset(): void {
    this.config.put(0x04, 2, COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
    PCI_IRQS.forEach((irq, i) => this.config.put(PIRQ_ROUTE + i, 1, irq));
    this.asserted.fill(0);
  }

  /** The interrupt line of a device's pin (1 to 4): pins are rotated over the PIRQs by slot. */
  line(slot: number, pin: number): IrqLine {
    const pirq = pirqOf(slot, pin), bit = 1 << slot;
    return level => {
      this.asserted[pirq] = level ? this.asserted[pirq]! | bit : this.asserted[pirq]! & ~bit;
      this.update();
    };
  }

  /** Several PIRQs may share an IRQ: it is asserted while any of them is. */
  private update(): void {
    let used = 0, high = 0;
    this.asserted.forEach((devices, i) => {
      const route = this.config.bytes[PIRQ_ROUTE + i]!;
      if ((route & PIRQ_DISABLED) !== 0 || (IRQ_MASK >>> (route & 0xf) & 1) === 0) return;
      used |= 1 << (route & 0xf);
      if (devices !== 0) high |= 1 << (route & 0xf);
    });
    for (let irq = 0; irq < 16; irq++) if ((used >>> irq & 1) !== 0) this.irq(irq)((high >>> irq & 1) !== 0);
  }
}

/** Index of the PIRQ that a slot's pin (1 to 4) is wired to. */
export function pirqOf(slot: number, pin: number): number {
  return (slot + pin - 1 + 3) & 3;
}
