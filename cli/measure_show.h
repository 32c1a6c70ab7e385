/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_MEASURE_SHOW_H
#define CH_CLI_MEASURE_SHOW_H

#include "core/update/measure.h"

/* The measurements expected of an artefact: members "measurements" and "notes" of an object, and the end of a page. */
void cli_measure_json(struct ch_json_wr *j, const struct ch_measure *m);
void cli_measure_page(struct ch_wr *w, const struct ch_measure *m);

#endif
