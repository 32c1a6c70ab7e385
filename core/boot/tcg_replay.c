/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/tcg_event.h"

#include <string.h>

/* TPM 2.0 Part 1, 34.3: the locality of TPM2_Startup, or 4 after an H-CRTM sequence, is in the last byte of PCR 0. */
static void set_start(const struct ch_tcg_log *log, struct ch_pcr_bank *bank)
{
	if (log->startup_locality != 0) {
		bank->value[0][bank->size - 1] = log->startup_locality;
		bank->started |= 1;
	}
	if (!log->drtm)
		return;
	for (size_t i = CH_PCR_DRTM_FIRST; i <= CH_PCR_DRTM_LAST; i++) {
		memset(bank->value[i], 0, sizeof(bank->value[i]));
		bank->started |= (uint32_t)1 << i;
	}
}

void ch_tcg_pcrs_init(const struct ch_tcg_log *log, struct ch_pcrs *pcrs)
{
	ch_pcrs_init(pcrs);
	for (size_t i = 0; i < log->bank_count; i++) {
		struct ch_pcr_bank *bank = ch_pcrs_add(pcrs, log->bank[i].alg);
		if (bank != NULL)
			set_start(log, bank);
	}
}

void ch_tcg_pcrs_extend(struct ch_pcrs *pcrs, const struct ch_tcg_event *ev)
{
	if (!ev->extended)
		return;
	for (size_t i = 0; i < ev->digest_count; i++) {
		struct ch_pcr_bank *bank = ch_pcrs_get(pcrs, ev->digest[i].alg);
		/* A parsed event's index and size fit: false only says that the backend failed, which leaves a mismatch. */
		if (bank != NULL)
			(void)ch_pcr_bank_extend(bank, ev->pcr, ev->digest[i].value);
	}
}

void ch_tcg_replay(const struct ch_tcg_log *log, struct ch_pcrs *pcrs)
{
	ch_tcg_pcrs_init(log, pcrs);
	struct ch_tcg_iter it = ch_tcg_iter(log);
	struct ch_tcg_event ev;
	while (ch_tcg_next(&it, &ev))
		ch_tcg_pcrs_extend(pcrs, &ev);
}

static const struct {
	uint32_t type;
	const char *name;
} type_name[] = {
	/* PFP 1.06, table 27 */
	{ CH_EV_PREBOOT_CERT, "EV_PREBOOT_CERT" },
	{ CH_EV_POST_CODE, "EV_POST_CODE" },
	{ CH_EV_NO_ACTION, "EV_NO_ACTION" },
	{ CH_EV_SEPARATOR, "EV_SEPARATOR" },
	{ CH_EV_ACTION, "EV_ACTION" },
	{ CH_EV_EVENT_TAG, "EV_EVENT_TAG" },
	{ CH_EV_S_CRTM_CONTENTS, "EV_S_CRTM_CONTENTS" },
	{ CH_EV_S_CRTM_VERSION, "EV_S_CRTM_VERSION" },
	{ CH_EV_CPU_MICROCODE, "EV_CPU_MICROCODE" },
	{ CH_EV_PLATFORM_CONFIG_FLAGS, "EV_PLATFORM_CONFIG_FLAGS" },
	{ CH_EV_TABLE_OF_DEVICES, "EV_TABLE_OF_DEVICES" },
	{ CH_EV_COMPACT_HASH, "EV_COMPACT_HASH" },
	{ CH_EV_IPL, "EV_IPL" },
	{ CH_EV_IPL_PARTITION_DATA, "EV_IPL_PARTITION_DATA" },
	{ CH_EV_NONHOST_CODE, "EV_NONHOST_CODE" },
	{ CH_EV_NONHOST_CONFIG, "EV_NONHOST_CONFIG" },
	{ CH_EV_NONHOST_INFO, "EV_NONHOST_INFO" },
	{ CH_EV_OMIT_BOOT_DEVICE_EVENTS, "EV_OMIT_BOOT_DEVICE_EVENTS" },
	{ CH_EV_POST_CODE2, "EV_POST_CODE2" },
	{ CH_EV_EFI_VARIABLE_DRIVER_CONFIG, "EV_EFI_VARIABLE_DRIVER_CONFIG" },
	{ CH_EV_EFI_VARIABLE_BOOT, "EV_EFI_VARIABLE_BOOT" },
	{ CH_EV_EFI_BOOT_SERVICES_APPLICATION, "EV_EFI_BOOT_SERVICES_APPLICATION" },
	{ CH_EV_EFI_BOOT_SERVICES_DRIVER, "EV_EFI_BOOT_SERVICES_DRIVER" },
	{ CH_EV_EFI_RUNTIME_SERVICES_DRIVER, "EV_EFI_RUNTIME_SERVICES_DRIVER" },
	{ CH_EV_EFI_GPT_EVENT, "EV_EFI_GPT_EVENT" },
	{ CH_EV_EFI_ACTION, "EV_EFI_ACTION" },
	{ CH_EV_EFI_PLATFORM_FIRMWARE_BLOB, "EV_EFI_PLATFORM_FIRMWARE_BLOB" },
	{ CH_EV_EFI_HANDOFF_TABLES, "EV_EFI_HANDOFF_TABLES" },
	{ CH_EV_EFI_PLATFORM_FIRMWARE_BLOB2, "EV_EFI_PLATFORM_FIRMWARE_BLOB2" },
	{ CH_EV_EFI_HANDOFF_TABLES2, "EV_EFI_HANDOFF_TABLES2" },
	{ CH_EV_EFI_VARIABLE_BOOT2, "EV_EFI_VARIABLE_BOOT2" },
	{ CH_EV_EFI_GPT_EVENT2, "EV_EFI_GPT_EVENT2" },
	{ CH_EV_EFI_HCRTM_EVENT, "EV_EFI_HCRTM_EVENT" },
	{ CH_EV_EFI_VARIABLE_AUTHORITY, "EV_EFI_VARIABLE_AUTHORITY" },
	{ CH_EV_EFI_SPDM_FIRMWARE_BLOB, "EV_EFI_SPDM_FIRMWARE_BLOB" },
	{ CH_EV_EFI_SPDM_FIRMWARE_CONFIG, "EV_EFI_SPDM_FIRMWARE_CONFIG" },
	{ CH_EV_EFI_SPDM_DEVICE_POLICY, "EV_EFI_SPDM_DEVICE_POLICY" },
	{ CH_EV_EFI_SPDM_DEVICE_AUTHORITY, "EV_EFI_SPDM_DEVICE_AUTHORITY" },
	/* Intel TXT Software Development Guide, appendix F */
	{ 0x401, "EVTYPE_PCR_MAPPING" },
	{ 0x402, "EVTYPE_HASH_START" },
	{ 0x403, "EVTYPE_COMBINED_HASH" },
	{ 0x404, "EVTYPE_MLE_HASH" },
	{ 0x40a, "EVTYPE_BIOSAC_REG_DATA" },
	{ 0x40b, "EVTYPE_CPU_SCRTM_STAT" },
	{ 0x40c, "EVTYPE_LCP_CONTROL_HASH" },
	{ 0x40d, "EVTYPE_ELEMENTS_HASH" },
	{ 0x40e, "EVTYPE_STM_HASH" },
	{ 0x40f, "EVTYPE_OSSINITDATA_CAP_HASH" },
	{ 0x410, "EVTYPE_SINIT_PUBKEY_HASH" },
	{ 0x411, "EVTYPE_LCP_HASH" },
	{ 0x412, "EVTYPE_LCP_DETAILS_HASH" },
	{ 0x413, "EVTYPE_LCP_AUTHORITIES_HASH" },
	{ 0x414, "EVTYPE_NV_INFO_HASH" },
	{ 0x415, "EVTYPE_COLD_BOOT_BIOS_HASH" },
	{ 0x416, "EVTYPE_KM_HASH" },
	{ 0x417, "EVTYPE_BPM_HASH" },
	{ 0x418, "EVTYPE_KM_INFO_HASH" },
	{ 0x419, "EVTYPE_BPM_INFO_HASH" },
	{ 0x41a, "EVTYPE_BOOT_POL_HASH" },
	{ 0x4fe, "EVTYPE_RANDOM_VALUE" },
	{ 0x4ff, "EVTYPE_CAP_VALUE" },
	/* TrenchBoot's secure launch of Linux */
	{ 0x502, "EVTYPE_SLAUNCH" },
	{ 0x503, "EVTYPE_SLAUNCH_START" },
	{ 0x504, "EVTYPE_SLAUNCH_END" },
};

const char *ch_tcg_type_str(uint32_t type)
{
	for (size_t i = 0; i < CH_COUNT_OF(type_name); i++) {
		if (type_name[i].type == type)
			return type_name[i].name;
	}
	return NULL;
}

const char *ch_tcg_format_str(enum ch_tcg_format format)
{
	switch (format) {
	case CH_TCG_SHA1:
		return "tcg-pcclient-sha1";
	case CH_TCG_AGILE:
		return "tcg2-crypto-agile";
	case CH_TCG_COREBOOT:
		return "coreboot";
	case CH_TCG_COREBOOT_TCPA:
		return "coreboot-tcpa";
	case CH_TCG_COREBOOT_TPM2:
		return "coreboot-tpm2";
	}
	return "unknown";
}
