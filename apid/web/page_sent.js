// SPDX-License-Identifier: Apache-2.0
import {soon} from "./soon.js";

export default soon("Sent");
