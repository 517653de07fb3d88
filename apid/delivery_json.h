/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks and their calls as JSON. What is not there is null. */
#ifndef E2A_APID_DELIVERY_JSON_H
#define E2A_APID_DELIVERY_JSON_H

#include "apid/req.h"
#include "common/store/store_delivery.h"
#include "common/store/store_endpoint.h"

void delivery_json(struct jsonw *w, const struct store_delivery *d);
void delivery_json_event(struct jsonw *w, const struct store_delivery_event *e);
void delivery_json_endpoint(struct jsonw *w, const struct store_endpoint *e);

#endif
