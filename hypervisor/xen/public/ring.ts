/** Offsets of a shared ring's page: four indices, then the entries (public/io/ring.h, DEFINE_RING_TYPES). */
export const REQ_PROD = 0, REQ_EVENT = 4, RSP_PROD = 8, RSP_EVENT = 12, RING_HEADER_BYTES = 64;
