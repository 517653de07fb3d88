// SPDX-License-Identifier: Apache-2.0
// Numbers of bytes, for people.

/** "12 bytes", "1.5 kB". */
export function bytes(n) {
	const unit = n < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(n) / 3));

	return unit ? `${(n / 1000 ** unit).toFixed(1)} ${["", "kB", "MB", "GB"][unit]}`
		: `${n} ${n === 1 ? "byte" : "bytes"}`;
}
