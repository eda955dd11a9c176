/**
 * A 93C46 serial EEPROM of 64 words, read bit by bit.
 * Reference: Microchip 93C46 (21749).
 * Left out: writing (the commands are taken and change nothing).
 */

const WORDS = 64, ADDRESS_BITS = 6, START_AND_OPCODE_BITS = 3, READ = 0b110;

export class Eeprom93c46 {
  readonly words = new Uint16Array(WORDS);
  private selected = false;
  private clocked = false;
  private command = 0;
  private bits = 0;
  private output = 0;
  private outputBits = 0;

  /** Level of the data output. */
  get dataOut(): boolean {
    return this.outputBits > 0 ? (this.output >>> (this.outputBits - 1) & 1) !== 0 : true;
  }

  /** Levels of chip select, clock and data input. */
  drive(select: boolean, clock: boolean, dataIn: boolean): void {
    if (!select || !this.selected) this.command = this.bits = this.outputBits = 0;
    else if (clock && !this.clocked) this.shift(dataIn);
    this.selected = select;
    this.clocked = clock;
  }

  private shift(dataIn: boolean): void {
    if (this.outputBits > 0) {
      this.outputBits--;
      return;
    }
    if (this.bits === 0 && !dataIn) return; // a command begins with a one
    this.command = this.command << 1 | (dataIn ? 1 : 0);
    if (++this.bits < START_AND_OPCODE_BITS + ADDRESS_BITS) return;
    if (this.command >>> ADDRESS_BITS === READ) {
      this.output = this.words[this.command & (WORDS - 1)]!; // a zero goes before the word
      this.outputBits = 17;
    }
    this.command = this.bits = 0;
  }
}
