/* SPDX-License-Identifier: Apache-2.0 */
/* The version that programs show to their peers. */
#ifndef E2A_BASE_VERSION_H
#define E2A_BASE_VERSION_H

#define E2A_VERSION "0.1.0"

#endif
