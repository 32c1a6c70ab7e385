/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_INSTALL_H
#define CH_AGENT_INSTALL_H

#include "agent/main/config.h"

/*
 * Updates by hand, from a medium: main carries bytes from files to apply, which judges them as it judges those that come from a server.
 * Nothing is read here but lengths, and of an archive the names in it.
 */

/* Offers the release with its proof and its artefact, and waits for the end of its installation. False with a line. */
bool install_files(const struct config *cfg, const char *release, const char *proof, const char *artifact);
/* The same from an archive (core/update/archive.h) that holds one release; fleet roots in it are brought to apply first. */
bool install_archive(const struct config *cfg, const char *path);
/* Confirms what was installed and runs. False with a line. */
bool install_confirm(const struct config *cfg);

#endif
