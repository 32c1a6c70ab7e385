/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BASE_LIMITS_H
#define CH_BASE_LIMITS_H

/*
 * The page of limits: every loop in `core` is bounded by one of these. Each is far above what real devices send and small
 * enough that hostile input costs little. Raising one is a decision about memory and time, so it is made here and nowhere else.
 */

/* core/wire */
#define CH_JSON_DEPTH_MAX  64          /* nested arrays and objects */
#define CH_JSON_BYTES_MAX  0x7fffffffu /* one text: offsets are 32 bits */
#define CH_CBOR_DEPTH_MAX  16          /* nested arrays, maps and tags */
#define CH_CBOR_PAIRS_MAX  128         /* pairs of one map whose keys are compared with each other */
#define CH_COSE_LABELS_MAX 16          /* header parameters in one COSE bucket */
#define CH_DER_DEPTH_MAX   16

/* core/boot */
#define CH_PCR_COUNT          24        /* TPM 2.0 Part 2, PC Client: PCR 0..23 */
#define CH_DIGEST_MAX         64        /* SHA-512 */
#define CH_TCG_BANKS_MAX      8         /* digest algorithms in one log */
#define CH_TCG_EVENTS_MAX     65536     /* events in one log */
#define CH_TCG_LOG_MAX        0x1000000 /* 16 MiB: firmware reserves 64 KiB to 1 MiB */
#define CH_DEVPATH_NODES_MAX  64
#define CH_SIGLIST_MAX        4096 /* EFI_SIGNATURE_DATA entries in one variable */
#define CH_BOOT_ORDER_MAX     256  /* entries of BootOrder that a rule looks at */
#define CH_GPT_ENTRIES_MAX    256
#define CH_SMBIOS_STRUCTS_MAX 1024
#define CH_REPLAY_SEARCH_MAX  0x200000 /* units of work, each about a hash, to find the quoted part of an IMA list */
#define CH_SECURE_BOOT_MAX    4 /* events of one signature database: one, and more if firmware changed it meanwhile */

/* core/os */
#define CH_IMA_ENTRIES_MAX 4000000
#define CH_IMA_DATA_MAX    0x10000 /* template data of one entry */
#define CH_IMA_NAME_MAX    128     /* a template's name, or its format where it has none */

/* core/platform */
#define CH_TPM_STRUCT_MAX  4096    /* one TPM structure, generous for RSA-4096 */
#define CH_CERT_MAX        16384   /* one certificate */
#define CH_CHAIN_MAX       4       /* EK certificate, two intermediates, root */
#define CH_CERT_EXTS_MAX   32      /* extensions of one certificate */
#define CH_CERT_NAME_MAX   32      /* relative distinguished names of one name, attributes of one of these */
#define CH_CERT_ATTRS_MAX  32      /* attributes of one attribute certificate */
#define CH_CERT_LIST_MAX   64      /* purposes or general names of one extension */
#define CH_CERT_POOL_MAX   1024    /* certificates that a chain is looked for in */
#define CH_CRL_ENTRIES_MAX 0x40000 /* revoked certificates in one list */
#define CH_ROOT_LIST_MAX   0x10000 /* the list of a root: some 1,000 CAs that it certified */
#define CH_CRL_MAX \
	0x1800000 /* one list: CH_CRL_ENTRIES_MAX entries of 64 bytes, and as much again for what others put into them */
#define CH_OCSP_REQUEST_MAX 2048 /* one request */
#define CH_OCSP_IDS_MAX     8    /* certificates of one request */
#define CH_OCSP_EXTS_MAX    16   /* extensions of one request, or of one certificate in it */
#define CH_OCSP_NONCE_MAX   128  /* RFC 9654, 2.1 */
#define CH_PSA_SW_MAX       32   /* software components of one token */
#define CH_PSA_CLAIMS_MAX   64   /* claims of one token, known and unknown */
#define CH_PSA_FAULTS_MAX   32   /* broken rules that are told; all are counted */

/* core/platform: certification requests */
#define CH_CSR_MAX          16384 /* one request */
#define CH_CSR_ATTRS_MAX    16
#define CH_CSR_NAMES_MAX    16 /* that one request asks for */
#define CH_CSR_PURPOSES_MAX 16 /* that one request asks for */

/* core/trust */
#define CH_GENERATION_ITEMS_MAX 65536
#define CH_GENERATION_NAME_MAX  64    /* of a device class */
#define CH_NAME_MAX             64    /* a class, an operator: the names that we give */
#define CH_ACTION_MAX           1024  /* the canonical text of one action */
#define CH_ACTION_REASON_MAX    512   /* its reason, escaped */
#define CH_MERKLE_DEPTH_MAX     64    /* hashes of one proof: trees have less than 2^63 entries */
#define CH_NOTE_MAX             65536 /* one signed note */
#define CH_NOTE_SIGS_MAX        64    /* signatures on one note: the log's and its witnesses' */
#define CH_NOTE_SIG_MAX         4096 /* bytes of one signature: generous for post-quantum ones, which are passed over */
#define CH_NOTE_NAME_MAX        256  /* name of a key, and of a log (its origin) */
#define CH_TILE_LEVEL_MAX       5    /* C2SP tlog-tiles: trees of up to 2^48 entries */
#define CH_BUNDLE_ENTRIES       256  /* entries of one bundle, hashes of one tile */

/* core/trust: the fleet root */
#define CH_FLEET_ROOT_MAX    49152 /* the text of one document; with its signatures it is a note */
#define CH_ROOT_NODES_MAX    1024  /* values in it: about 500 where every list is full */
#define CH_ROOT_VERSION_MAX  0xffffffffu
#define CH_ROOT_KEYS_MAX     16   /* of one role */
#define CH_ROOT_RELEASES_MAX 8    /* roles */
#define CH_ROOT_ANCHORS_MAX  8    /* certificates of CAs: old, new, cross */
#define CH_ROOT_ANCHOR_MAX   3072 /* bytes of one */
#define CH_ROOT_LOGS_MAX     8
#define CH_ROOT_EARS_MAX     8
#define CH_ROOT_SERVERS_MAX  32
#define CH_ROOT_SERVER_MAX   259 /* a name of 253 bytes (RFC 1035, 2.3.4), and a port */
#define CH_ROOT_PORT_ROOM    6   /* colon and five digits */
#define CH_ROLE_SIGS_MAX     16384 /* the signature lines of one document: CH_NOTE_SIGS_MAX of P-256 or Ed25519, and room */

/* core/trust: backups of certification authorities */
#define CH_CA_BACKUP_FILES_MAX 4096
#define CH_CA_BACKUP_MAX       0x10000000 /* 256 MiB, sealed: eight lists of CH_CRL_ENTRIES_MAX, and as much again */

/* core/update */
#define CH_RELEASE_MAX           0x100000 /* the text of one release; most of it is measurements */
#define CH_RELEASE_FILE_MAX      (CH_RELEASE_MAX + CH_ROLE_SIGS_MAX)
#define CH_RELEASE_NODES_MAX     65536 /* values in it: 16 for an event */
#define CH_RELEASE_ARTIFACTS_MAX 16
#define CH_RELEASE_CLASSES_MAX   16
#define CH_RELEASE_VERSION_MAX   64
#define CH_RELEASE_NOTES_MAX     4096
#define CH_RELEASE_FILE_NAME_MAX 128              /* bytes of an artefact's name, and of what it is compatible with */
#define CH_RELEASE_NUMBER_MAX    0x1fffffffffffff /* of a sequence: what every reader of JSON keeps (RFC 7493, 2.2) */
#define CH_ARCHIVE_FILES_MAX     16384            /* of one archive; a log of a million entries has about 8,000 */
#define CH_ARCHIVE_INDEX_MAX     0x400000         /* the text of its index */
#define CH_ARCHIVE_NODES_MAX     (8 * CH_ARCHIVE_FILES_MAX) /* values in it: 7 for a file */
#define CH_ARCHIVE_PATH_MAX      99                         /* a name in a ustar header, with its NUL 100 */
#define CH_ARCHIVE_FILE_MAX      0x1ffffffff                /* 8 GiB - 1: eleven octal digits */
#define CH_ARTIFACT_MAX          0x10000000000              /* 1 TiB: bytes of one artefact */

/* core/update: rollouts */
#define CH_ROLLOUT_MAX            0x18000 /* the text of one document: most of it is devices */
#define CH_ROLLOUT_NODES_MAX      4096    /* values in it: what a file of YAML may have */
#define CH_ROLLOUT_PHASES_MAX     16
#define CH_ROLLOUT_DEVICES_MAX    1024 /* that one document names */
#define CH_ROLLOUT_CANARIES_MAX   256
#define CH_ROLLOUT_ATTRIBUTES_MAX 8     /* of its filter */
#define CH_ROLLOUT_MINUTES_MAX    43200 /* 30 days */
#define CH_ROLLOUT_SPREAD_MAX     60000 /* devices a minute */

/* core/update: hawkBit DDI */
#define CH_DDI_BODY_MAX    0x20000 /* one body: 48 lines of SWUpdate's log have less than 100,000 bytes */
#define CH_DDI_DETAILS_MAX 64      /* messages of one feedback: hawkBit takes 50 */
#define CH_DDI_TEXT_MAX    4096    /* bytes of them that are kept */
#define CH_DDI_ATTRS_MAX   64      /* attributes of one configData */
#define CH_DDI_NAME_MAX    128     /* bytes of an attribute's name, of a tenant, of a controllerId */
#define CH_DDI_VALUE_MAX   512     /* bytes of an attribute's value: hawkBit's 128 characters */

/* core/update: artefacts, and what a boot of them will measure */
#define CH_PE_SECTIONS_MAX     96 /* of one image: what loaders take (PE/COFF 11.0, 3.3) */
#define CH_PE_DIRECTORIES_MAX  16
#define CH_PE_CERTS_MAX        16  /* entries of one attribute certificate table */
#define CH_MEASURE_EVENTS_MAX  128 /* of one release */
#define CH_RAUC_IMAGES_MAX     32  /* of one bundle */
#define CH_RAUC_MANIFEST_MAX   65536
#define CH_RAUC_SIGNATURE_MAX  0x100000 /* with the manifest and certificates in it */
#define CH_FAT_DEPTH_MAX       8        /* folders in each other */
#define CH_FAT_PATH_MAX        1024     /* bytes of one path, as UTF-8 */
#define CH_FAT_LONG_MAX        260      /* characters of a long name: 20 parts of 13 */
#define CH_FAT_ENTRIES_MAX     65536    /* of all folders of a volume */
#define CH_UKI_CMDLINE_MAX     65536
#define CH_OSTREE_FILES_MAX    0x100000 /* of one commit */
#define CH_OSTREE_REF_MAX      88       /* bytes of a ref: refs/heads/ and it are a name of a ustar header */
#define CH_OSTREE_LINK_MAX     255      /* bytes of a path in a kernel command line */
#define CH_OSTREE_KERNEL_MAX   64       /* bytes of a kernel release, the name of a folder in usr/lib/modules */
#define CH_OSTREE_TEXT_MAX     1024     /* bytes of a subject that are shown */
#define CH_SWU_FILES_MAX       128      /* of one image of SWUpdate */
#define CH_SWU_IMAGES_MAX      128      /* entries of its description */
#define CH_SWU_DESCRIPTION_MAX 0x40000  /* bytes of it, and of its signature */
#define CH_VERITY_SALT_MAX     256      /* bytes of one salt: the superblock has room for no more */
#define CH_VERITY_LEVELS_MAX   16       /* of hash blocks over data: 2^63 blocks with hash blocks of 512 bytes */

/* host/net */
#define CH_HTTP_HEAD_MAX    8192 /* request or status line and header fields, with the empty line */
#define CH_HTTP_TARGET_MAX  2048
#define CH_HTTP_METHOD_MAX  16
#define CH_HTTP_FIELDS_MAX  64
#define CH_HTTP_DIGITS_MAX  15   /* of Content-Length */
#define CH_HTTP_HEX_MAX     12   /* of a chunk size */
#define CH_HTTP_EXT_MAX     256  /* extensions of one chunk, which are ignored */
#define CH_HTTP_TRAILER_MAX 1024 /* all trailer fields, which are ignored */

/* host/policy */
#define CH_YAML_BYTES_MAX 0x40000 /* one file */
#define CH_YAML_NODES_MAX 4096
#define CH_YAML_DEPTH_MAX 8

#endif
