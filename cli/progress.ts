export interface Progress {
  /** Shows how far the work is. */
  readonly show: (done: number, of: number, what: string, secondsLeft?: number) => void;
  /** Takes the bar away. */
  readonly end: () => void;
}

/** A bar on stderr when that is a terminal, else silence. */
export async function createProgress(): Promise<Progress> {
  if (!process.stderr.isTTY) return { show: () => {}, end: () => {} };
  const { SingleBar } = await import("cli-progress");
  const bar = new SingleBar({ format: "{bar} {value}/{total}  {duration_formatted}{left}  {what}", barCompleteChar: "█", barIncompleteChar: "░", hideCursor: true, clearOnComplete: true, stream: process.stderr });
  let started = false;
  return {
    show: (done, of, what, secondsLeft) => {
      const left = secondsLeft === undefined || Number.isNaN(secondsLeft) ? "" : `, about ${Math.ceil(secondsLeft)}s left`;
      if (!started) bar.start(of, done, { what, left });
      else bar.update(done, { what, left });
      started = true;
    },
    end: () => bar.stop(),
  };
}
