/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/ed25519.h"

#include "common/base/encode.h"
#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void the_vectors_of_rfc_8032_hold(void **state)
{
	static const struct {
		const char *seed, *public, *data, *signature;
	} rows[] = {
		{ "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
		  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
		  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc6"
		  "1e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
		{ "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
		  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
		  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e45"
		  "8f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
		{ "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
		  "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
		  "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae"
		  "67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
		{ "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
		  "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
		  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836"
		  "ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
		  "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfd"
		  "fbc7c66431e0303dca179c138ac17ad9bef1177331a704" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t seed[ED25519_SEED_LEN], public[ED25519_PUBLIC_LEN];
		uint8_t signature[ED25519_SIGNATURE_LEN];
		char data[64], public_hex[2 * sizeof(public) + 1],
			signature_hex[2 * sizeof(signature) + 1];
		size_t n = strlen(rows[i].data) / 2;

		assert_int_equal(hex_decode(slice_str(rows[i].seed), seed, sizeof(seed)), OK);
		assert_int_equal(hex_decode(slice_str(rows[i].data), data, n), OK);
		ed25519_public(seed, public);
		ed25519_sign(seed, slice_of(data, n), signature);
		hex_text(public, sizeof(public), public_hex);
		hex_text(signature, sizeof(signature), signature_hex);
		assert_string_equal(public_hex, rows[i].public);
		assert_string_equal(signature_hex, rows[i].signature);
	}
}

static void every_pair_is_another_and_belongs_together(void **state)
{
	uint8_t seed[2][ED25519_SEED_LEN], public[2][ED25519_PUBLIC_LEN], want[ED25519_PUBLIC_LEN];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		ed25519_generate(seed[i], public[i]);
		ed25519_public(seed[i], want);
		assert_memory_equal(public[i], want, sizeof(want));
	}
	assert_memory_not_equal(seed[0], seed[1], sizeof(seed[0]));
	assert_memory_not_equal(public[0], public[1], sizeof(public[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_of_rfc_8032_hold),
		cmocka_unit_test(every_pair_is_another_and_belongs_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
