/** What emulated devices cost beyond their registers: how a frame gets from the monitor to the host's own adapter and back, and a sector to its disk. */
import type { BlockBackend } from "../hypervisor/devices/block-backend.js";
import type { CountEvent } from "../hypervisor/devices/device.js";
import { HostAdapter, type HostAdapterHooks } from "../hypervisor/network/host-adapter.js";
import type { VmOptions } from "./options.js";

/** Hooks of a mode for the host's adapter. */
export type HostPath = (count: CountEvent) => HostAdapterHooks;

/** The device model is a process of the host's: it writes each frame to the host's network, and waits for and reads each that comes. */
function throughProcess(count: CountEvent): HostAdapterHooks {
  return { count, transmits: () => count("host.frame_written"), receives: () => count("host.frame_read") };
}

/** A device model beside the guest, as Xen's ioemu in Dom0: the guest's exit is what gets there. */
export const besideGuest: HostPath = throughProcess;

/**
 * A hosted monitor (Sugerman, Venkitachalam, Lim, "Virtualizing I/O Devices on VMware Workstation's Hosted Virtual Machine Monitor", USENIX
 * 2001): the monitor answers for the card's registers itself, but only the host can send and receive. A frame to send takes a world switch
 * to the host and one back; so does every interrupt of the host's adapter, whether or not it brings the guest something.
 */
export const hosted: HostPath = (count) => {
  const { transmits, receives } = throughProcess(count);
  return {
    count, receives,
    transmits: () => { count("dbt.world_switch", 2); transmits!(); },
    interrupted: () => count("dbt.world_switch", 2),
  };
};

/**
 * A disk of a hosted monitor is a file of the host's: "an attempt by the guest to fetch sectors from its disk will become a read() issued to the host" (the
 * same paper, section 2). Each request takes a world switch there and one back, and so does the host's interrupt when it is done. What the host's
 * own file system and driver take is not in it: nobody has measured that.
 */
export function hostedDisk(disk: BlockBackend, count: CountEvent): BlockBackend {
  const asked = (): void => count("dbt.world_switch", 4);
  return {
    sectors: disk.sectors, readOnly: disk.readOnly,
    read: (lba, sectors, into) => { asked(); disk.read(lba, sectors, into); },
    write: (lba, sectors, from) => { asked(); disk.write(lba, sectors, from); },
    flush: () => { asked(); disk.flush(); },
  };
}

/** The monitor has the adapter's driver itself, as VM/370 has its devices': nothing in between. */
export const inMonitor: HostPath = (count) => ({ count });

/** The options' network, behind the host's adapter where there is a host. */
export function hostNetwork(network: VmOptions["network"], count: CountEvent, path: HostPath | undefined): VmOptions["network"] {
  return network === undefined || path === undefined ? network : { ...network, hub: new HostAdapter(network.hub, path(count)) };
}
