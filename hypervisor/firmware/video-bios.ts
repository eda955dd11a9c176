/** The VGA's BIOS alone, for a machine whose system BIOS is the user's: the expansion ROM's services behind the port its stubs trap by. */
import type { CountEvent, GuestMemory } from "../devices/device.js";
import type { Vga } from "../devices/vga.js";
import { Cells } from "./bda.js";
import { VideoServices } from "./int10.js";
import { type Service, ServicePort } from "./service-port.js";
import { VECTOR_VIDEO_INIT } from "./video-rom.js";

/** The services by vector. */
export function videoServices(video: VideoServices): readonly (readonly [number, Service])[] {
  return [[0x10, f => video.serve(f)], [VECTOR_VIDEO_INIT, () => video.start()]];
}

export const VIDEO_EVENTS: Readonly<Record<number, string>> = { [VECTOR_VIDEO_INIT]: "video_init" };

export function videoBios(vga: Vga, memory: GuestMemory, count: CountEvent): ServicePort {
  return new ServicePort(memory, count, new Map(videoServices(new VideoServices(new Cells(memory), vga))), VIDEO_EVENTS);
}
