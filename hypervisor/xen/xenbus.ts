import type { Clock } from "../clock.js";
import type { Memory } from "../memory.js";
import type { EventChannels } from "./event-channels.js";
import type { GrantTable } from "./grant-tables.js";
import type { Store } from "./store.js";

/** The handshake between a front end and its back end: each has a state in the store and watches the other's (public/io/xenbus.h). */
export const XenbusStateInitialising = 1, XenbusStateInitWait = 2, XenbusStateInitialised = 3, XenbusStateConnected = 4, XenbusStateClosing = 5,
  XenbusStateClosed = 6;

const DOM0 = 0;

/** What a back end does when its front end moves. */
export interface BackendDriver {
  /** The front end has written what it has to: connect; false when it makes no sense. */
  connect(frontend: string): boolean;
  disconnect(): void;
}

/** What every back end needs of the rest of Dom0. */
export interface BackendParts {
  readonly memory: Memory;
  readonly clock: Clock;
  /** The guest's grant table, and Dom0's event channels. */
  readonly grants: GrantTable;
  readonly events: EventChannels;
  readonly store: Store;
  readonly frontendDomain: number;
  readonly count: (event: string, n?: number) => void;
}

/** Writes the directories of one device of domain `domid` and runs the back end's half of the handshake. */
export class XenbusDevice {
  readonly frontend: string;
  readonly backend: string;
  private readonly store: Store;
  private readonly driver: BackendDriver;
  private state = XenbusStateInitWait;

  /** `type` is "vbd" or "vif"; `handle` its number; the properties go into the two directories before any state. */
  constructor(store: Store, domid: number, type: string, handle: number, driver: BackendDriver,
    frontendProperties: Readonly<Record<string, string>>, backendProperties: Readonly<Record<string, string>>) {
    this.store = store;
    this.driver = driver;
    this.frontend = `/local/domain/${domid}/device/${type}/${handle}`;
    this.backend = `/local/domain/0/backend/${type}/${domid}/${handle}`;
    store.mkdir(DOM0, this.frontend);
    store.setPermissions(DOM0, this.frontend, [{ domid, rights: "n" }, { domid: DOM0, rights: "r" }]);
    store.mkdir(DOM0, this.backend);
    store.setPermissions(DOM0, this.backend, [{ domid: DOM0, rights: "n" }, { domid, rights: "r" }]);
    this.put(this.frontend, { backend: this.backend, "backend-id": "0", ...frontendProperties });
    this.put(this.backend, { frontend: this.frontend, "frontend-id": `${domid}`, online: "1", ...backendProperties });
    store.write(DOM0, `${this.backend}/state`, `${XenbusStateInitWait}`);
    store.write(DOM0, `${this.frontend}/state`, `${XenbusStateInitialising}`);
    store.watch(DOM0, `${this.frontend}/state`, this.backend, () => this.moved());
  }

  private put(directory: string, properties: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(properties)) this.store.write(DOM0, `${directory}/${name}`, value);
  }

  /** Writes a property of the back end. */
  set(name: string, value: string): void {
    this.store.write(DOM0, `${this.backend}/${name}`, value);
  }

  private go(state: number): void {
    if (this.state === state) return;
    this.state = state;
    this.set("state", `${state}`);
  }

  /** The front end has written its state. */
  private moved(): void {
    switch (Number(this.store.peek(`${this.frontend}/state`) ?? XenbusStateClosed)) {
      case XenbusStateInitialising:
        if (this.state === XenbusStateClosed) this.go(XenbusStateInitWait);
        break;
      case XenbusStateInitialised: case XenbusStateConnected:
        if (this.state === XenbusStateInitWait) this.go(this.driver.connect(this.frontend) ? XenbusStateConnected : XenbusStateClosing);
        break;
      case XenbusStateClosing:
        this.driver.disconnect();
        this.go(XenbusStateClosing);
        break;
      case XenbusStateClosed:
        this.driver.disconnect();
        this.go(XenbusStateClosed);
        break;
      default: break;
    }
  }
}
