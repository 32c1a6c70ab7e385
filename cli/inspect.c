/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"

static const struct cli_cmd inspect[] = {
	{ "eventlog", "a measured-boot event log (UEFI, coreboot, DRTM)", cmd_inspect_eventlog },
	{ "quote", "a TPM 2.0 quote, and whether a log explains it", cmd_inspect_quote },
	{ "ima", "a Linux IMA measurement list", cmd_inspect_ima },
	{ "ekcert", "a TPM's EK, AK or platform certificate", cmd_inspect_ekcert },
	{ "cert", "a certificate", cmd_inspect_cert },
	{ "crl", "a certificate revocation list", cmd_inspect_crl },
	{ "csr", "a certification request (PKCS #10)", cmd_inspect_csr },
	{ "proof", "a proof that an entry is in a transparency log", cmd_inspect_proof },
	{ "psa", "a PSA attestation token", cmd_inspect_psa },
	{ "pe", "an EFI binary, and what a boot of it will measure", cmd_inspect_pe },
	{ "uki", "a unified kernel image, and what a boot of it will measure", cmd_inspect_uki },
	{ "swu", "an image of SWUpdate, and what a boot of it will measure", cmd_inspect_swu },
	{ "ostree", "a commit of OSTree, and what a boot of it will measure", cmd_inspect_ostree },
	{ "verity", "an image, and its dm-verity root hash", cmd_inspect_verity },
	{ "rauc", "a RAUC bundle, and what a boot of it will measure", cmd_inspect_rauc },
};

int cmd_inspect(int argc, char **argv)
{
	return cli_dispatch(
		"Shows what is in a piece of evidence or an artefact and whether it holds by itself. It needs no server.",
		inspect, CH_COUNT_OF(inspect), argc, argv);
}
