/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_INSTALL_H
#define CH_AGENT_INSTALL_H

#include "agent/main/config.h"

/*
 * Updates by hand, from a medium: main carries bytes from files to apply, which judges them as it judges those that come from a server.
 * Nothing is read here but its length.
 */

/* Offers the release with its proof and its artefact, and waits for the end of its installation. False with a line. */
bool install_files(const struct config *cfg, const char *release, const char *proof, const char *artifact);
/* Confirms what was installed and runs. False with a line. */
bool install_confirm(const struct config *cfg);

#endif
