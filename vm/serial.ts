/** The other end of COM1: keeps the line being sent, and tells listeners of bytes and of whole lines. */
export class SerialTap {
  private readonly byteListeners: ((byte: number) => void)[] = [];
  private readonly lineListeners: ((line: string) => void)[] = [];
  private line = "";

  /** A byte from the guest. */
  receive(byte: number): void {
    for (const listener of this.byteListeners) listener(byte);
    if (byte === 10) {
      const line = this.line.endsWith("\r") ? this.line.slice(0, -1) : this.line;
      this.line = "";
      for (const listener of this.lineListeners) listener(line);
    } else this.line += String.fromCharCode(byte);
  }

  /** What has been sent since the last line ended. */
  get partialLine(): string {
    return this.line;
  }

  onByte(listener: (byte: number) => void): () => void {
    return subscribe(this.byteListeners, listener);
  }

  onLine(listener: (line: string) => void): () => void {
    return subscribe(this.lineListeners, listener);
  }
}

function subscribe<T>(listeners: T[], listener: T): () => void {
  listeners.push(listener);
  return () => {
    const at = listeners.indexOf(listener);
    if (at >= 0) listeners.splice(at, 1);
  };
}
