// SPDX-License-Identifier: Apache-2.0
// What windows of a browser tell each other. Without a storage they tell nothing.

function tried(act) {
	try {
		return act();
	} catch {
		return null;
	}
}

export const remember = (key, value) => tried(() => localStorage.setItem(key, value));
export const recall = key => tried(() => localStorage.getItem(key));
export const forget = key => tried(() => localStorage.removeItem(key));
