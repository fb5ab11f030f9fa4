/**
 * Boards, and other devices, that a gateway holds unless it is told otherwise: twice those that one is measured with. Each table with a
 * seat for each device has so many; all of them take some 2 KB for a device. What stands on the disk does not follow it: the marks at
 * the head of each of the spool's segments, the names of lines' boots.
 */
export const DEVICES_MAX_DEFAULT = 20_000;
