/* test-job: a job to JSON and back, its refusals, and sizes. */
#include "proto/job.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "common/cleanup.h"
#include "common/err.h"

CLEANUP_DEFINE(json_t, json_decref)
#define AUTO_JSON CLEANUP(cleanup_json_decref)

#define MINIMAL                                                                          \
	"{'generation':1,'run':'r','worker':'w','seed':'0','index':0,'count':1,"         \
	"'share_index':0,'share_count':1,'concurrency':1,'duration_ns':0,'op_timeout_"   \
	"ns':0,"                                                                         \
	"'stats_interval_ns':1000000"

/* JSON with ' for ". */
static json_t *json_of(const char *text)
{
	AUTO_FREE char *copy = strdup(text);
	json_error_t error;
	json_t *json;

	for (char *c = copy; *c; c++)
		if (*c == '\'')
			*c = '"';
	json = json_loads(copy, 0, &error);
	CHECK(json, "%s: %s", copy, error.text);
	return json;
}

static void test_minimal(void)
{
	AUTO_JSON json_t *json = json_of(MINIMAL "}"), *again = NULL;
	struct err err = ERR_INIT;
	struct job j;

	if (!CHECK(job_from_json(json, &j, &err) == 0, "%s", err.text))
		return;
	CHECK(j.generation == 1 && j.count == 1 && !j.target && !j.ops && !j.env &&
		!j.load);
	again = job_to_json(&j);
	CHECK(again && json_equal(json, again));
	job_finish(&j);
	job_finish(&j); /* twice is fine */
}

static void test_all_members(void)
{
	AUTO_JSON json_t *json = json_of(MINIMAL
		",'target':'file:///d/"
		"','threads':3,'warmup_ns':1,'deadline_ns':2,'prepare':true,"
		"'load':true,'cleanup':true,'cleanup_mode':'besteffort','ops':["
		"{'op':'get','weight':1.5,'uri':'file:///d/a/*','place':'w.yaml:1:1'},"
		"{'op':'put','weight':0.1,'uri':'file:///d/b/"
		"','size':{'type':'lognormal','min':1,"
		"'mean':4096.5,'std_dev':0.3},'fill':'unique','concurrency':2,'fsync':"
		"true,"
		"'place':'w.yaml:2:1'},"
		"{'op':'list','weight':0.0,'uri':'file:///d/','max_keys':5,'delimiter':'/"
		"','place':''},"
		"{'op':'range_get','weight':1.0,'uri':'u','range_size':9,'range_align':4,"
		"'pool':1,'place':''},"
		"{'op':'copy','weight':1.0,'uri':'u','to':'v/','place':''},"
		"{'op':'multipart_put','weight':1.0,'uri':'u','part_size':5,'pool':1,"
		"'place':''},"
		"{'op':'delete','weight':1.0,'uri':'u','batch':1000,'place':''},"
		"{'op':'range_put','weight':1.0,'uri':'u','dedup':2,'compress':3,"
		"'selection':'zipf','theta':0.5,'range_size':1,'place':''},"
		"{'op':'get','weight':1.0,'uri':'u','selection':'sequential','verify':"
		"true,'place':''},"
		"{'op':'rmdir','weight':1.0,'uri':'u/','recursive':true,'place':''}],"
		"'sets':[{'uri':'file:///d/a/"
		"','name':'prepared','count':3,'shards':256,'size':{'type':'mix',"
		"'parts':[{'weight':1.0,'min':0,'max':9},{'weight':2.0,'min':5,'max':5}]}"
		","
		"'fill':'zero','dedup':4,'compress':5,'id':'18446744073709551615',"
		"'place':'w.yaml:3:1'},"
		"{'uri':'t/','name':'prepared','count':12,'tree':{'width':2,'depth':2,"
		"'files_per_dir':2,'all':true,'dir_mask':'d%d_w%d'},'id':'2','place':''}"
		"],"
		"'rate':{'ops':2.5,'arrival':'poisson','timer':'spin'},'once':true,"
		"'verify':true,'interleave':true,'trust':true,'coordinator':true,"
		"'allow_foreign':true,'open_warmup':true,'page_cache':'dontneed',"
		"'path_selection':'weighted','partition_overlap':0.25,"
		"'env':['A=','B=c=d','C=\\u00e9\\u001b'],'env_default':['K=v'],"
		"'store':{'endpoint':'https://h:1','region':'r','addressing':'virtual',"
		"'payload':'signed','engine':'curl','anonymous':true,'insecure_tls':true,"
		"'presigned':true,'expect_continue':true,'ca_pem':'a\\nb',"
		"'client_cert_pem':'c','client_key_pem':'k','proxy':'http://p',"
		"'connect_timeout_ns':1,'first_byte_timeout_ns':2,'stall_timeout_ns':3,"
		"'retries':4,'retry_delay_ns':5,'retry_delay_max_ns':6,"
		"'retry_multiplier':2.0,'retry_jitter':0.25},"
		"'endpoints':{'strategy':'least_connections','base':'s3://b/',"
		"'uris':['s3://h:1/b/','s3://h:2/b/']},'heirs_of':['host2']}");
	AUTO_JSON json_t *again = NULL;
	struct err err = ERR_INIT;
	struct job j;

	if (!CHECK(job_from_json(json, &j, &err) == 0, "%s", err.text))
		return;
	CHECK(j.n_ops == 10 && j.n_sets == 2 && j.cleanup_mode == CLEANUP_BEST_EFFORT);
	CHECK(j.sets[0].id == UINT64_MAX && j.sets[0].size.parts[1].weight == 2);
	CHECK_STR(j.env[2], "C=\xc3\xa9\x1b"); /* exact, not made safe to show */
	CHECK(j.ops[3].range_size == 9 && j.ops[3].pool == 1 && j.ops[6].batch == 1000);
	CHECK(j.sets[0].shards == 256 && j.sets[0].compress == 5);
	CHECK(j.sets[1].tree.all && j.sets[1].tree.files_per_dir == 2);
	CHECK(j.ops[7].selection == SELECT_ZIPF && j.ops[7].theta == 0.5);
	CHECK(j.rate.ops == 2.5 && j.rate.timer == TIMER_SPIN);
	CHECK(j.page_cache == PAGES_DONTNEED && j.path_selection == PATHS_WEIGHTED);
	CHECK(j.store.addressing == STORE_ADDRESSING_VIRTUAL &&
		j.store.engine == STORE_ENGINE_CURL && j.store.retries == 4);
	CHECK_STR(j.store.ca_pem, "a\nb");
	CHECK(j.endpoints.strategy == ENDPOINT_LEAST_CONNECTIONS);
	CHECK_STR(j.endpoints.uris[1], "s3://h:2/b/");
	again = job_to_json(&j);
	CHECK(again && json_equal(json, again));
	job_finish(&j);
}

/* A bundle of certificates goes through whole, and no more than one. */
static void test_large_texts(void)
{
	AUTO_FREE char *large = calloc(1, STORE_PEM_MAX + 2);
	AUTO_JSON json_t *json = json_of(MINIMAL "}");
	struct err err = ERR_INIT;
	json_t *env = json_array();
	struct job j;

	memset(large, 'x', STORE_PEM_MAX);
	large[1] = '=';
	json_object_set_new(json, "store", json_pack("{s:s}", "ca_pem", large));
	json_array_append_new(env, json_string(large));
	json_object_set_new(json, "env_default", env);
	if (!CHECK(job_from_json(json, &j, &err) == 0, "%s", err.text))
		return;
	CHECK(strlen(j.store.ca_pem) == STORE_PEM_MAX);
	CHECK(strlen(j.env_default[0]) == STORE_PEM_MAX);
	job_finish(&j);
	large[STORE_PEM_MAX] = 'x';
	json_object_set_new(json, "store", json_pack("{s:s}", "ca_pem", large));
	CHECK(job_from_json(json, &j, &err) < 0);
	CHECK_STR(err.text, "job message: member \"store.ca_pem\" must be a string of at "
			    "most 524288 bytes");
}

static void test_refusals(void)
{
#define OP(members)                                                                      \
	MINIMAL ",'ops':[{'op':'put','weight':1,'uri':'u','place':''" members "}]}"
#define SET(members) MINIMAL ",'sets':[{'count':1,'id':'1','place':''," members "}]}"
	static const struct {
		const char *json, *want;
	} rows[] = {
		{"[]", "job message: not a JSON object"},
		{"{}", "job message: member \"generation\" is missing"},
		{MINIMAL ",'index':1}", "job message: \"index\" must be below \"count\""},
		{MINIMAL ",'share_index':1}",
			"job message: \"share_index\" must be below \"share_count\""},
		{MINIMAL ",'count':0}", "job message: member \"count\" must be an "
					"integer from 1 to 4294967295"},
		{MINIMAL ",'run':'a/b'}", "job message: \"run\" and \"worker\" must be "
					  "of letters, digits and ._-"},
		{MINIMAL ",'worker':'..'}", "job message: \"run\" and \"worker\" must be "
					    "of letters, digits and ._-"},
		{MINIMAL ",'heirs_of':['../x']}", "job message: \"heirs_of\" must hold "
						  "names of letters, digits and ._-"},
		{MINIMAL ",'env':['A=1','=x']}",
			"job message: \"env\" must hold NAME=VALUE"},
		{MINIMAL ",'env':['A']}", "job message: \"env\" must hold NAME=VALUE"},
		{MINIMAL ",'env':['A=1',7]}", "job message: member \"env[1]\" must be a "
					      "string of at most 65536 bytes"},
		{MINIMAL ",'env_default':['=x']}",
			"job message: \"env_default\" must hold NAME=VALUE"},
		{MINIMAL ",'store':7}",
			"job message: member \"store\" must be an object"},
		{MINIMAL ",'store':{'engine':'none'}}",
			"job message: member \"store.engine\" must be one of \"own\", "
			"\"curl\""},
		{MINIMAL ",'store':{'retry_jitter':2}}",
			"job message: member \"store.retry_jitter\" must be a number "
			"from 0 to 1"},
		{MINIMAL ",'endpoints':{'base':'b/','uris':[]}}",
			"job message: member \"endpoints\" needs uris, and a base that "
			"ends with '/'"},
		{MINIMAL ",'endpoints':{'base':'b','uris':['c/']}}",
			"job message: member \"endpoints\" needs uris, and a base that "
			"ends with '/'"},
		{MINIMAL ",'endpoints':{'base':'b/','uris':['c']}}",
			"job message: member \"endpoints\" has a uri that does not end "
			"with '/'"},
		{OP(",'to':'x/'"),
			"job message: member \"ops[0]\" has a \"to\", and is no copy"},
		{MINIMAL ",'ops':[{'op':'copy','weight':1,'uri':'u','place':''}]}",
			"job message: member \"ops[0]\" is a copy without \"to\""},
		{MINIMAL ",'ops':[{'op':'range_get','weight':1,'uri':'u','place':''}]}",
			"job message: member \"ops[0]\" reads a range of no bytes"},
		{MINIMAL ",'ops':[{'op':'range_put','weight':1,'uri':'u','place':''}]}",
			"job message: member \"ops[0]\" writes a range of no bytes"},
		{OP(",'selection':'zipf'"),
			"job message: member \"ops[0]\" needs a \"theta\" above 0 that "
			"is not 1 for its selection"},
		{OP(",'selection':'latest','theta':1"),
			"job message: member \"ops[0]\" needs a \"theta\" above 0 that "
			"is not 1 for its selection"},
		{OP(",'dedup':1000001"), "job message: member \"ops[0].dedup\" must be "
					 "an integer from 0 to 1000000"},
		{MINIMAL ",'trust':true,'overwrite':true}",
			"job message: \"trust\" and \"overwrite\" exclude each other"},
		{MINIMAL ",'partition_overlap':1.5}",
			"job message: member \"partition_overlap\" must be a number "
			"from 0 to 1"},
		{MINIMAL ",'rate':{'ops':1,'arrival':'late'}}",
			"job message: member \"rate.arrival\" must be one of "
			"\"constant\", \"poisson\""},
		{SET("'uri':'u/','name':'a','tree':{'width':1,'depth':1,"
		     "'files_per_dir':1,'dir_mask':'%d'}"),
			"job message: member \"sets[0].tree\" has a \"dir_mask\" that "
			"needs two %d: the level, and the number in the directory "
			"above"},
		{SET("'uri':'u/','name':'a','tree':{'width':10,'depth':9,"
		     "'files_per_dir':1,'dir_mask':'%d-%d'}"),
			"job message: member \"sets[0].tree\" has more than 100000000 "
			"directories or files"},
		{SET("'uri':'u/','name':'a','tree':{'width':2,'depth':1,"
		     "'files_per_dir':1,'dir_mask':'%d-%d'}"),
			"job message: member \"sets[0]\" is a tree, with shards or a "
			"count that is not that of its files"},
		{SET("'uri':'u/','name':'a','shards':257"),
			"job message: member \"sets[0].shards\" must be an integer from "
			"0 "
			"to 256"},
		{MINIMAL ",'seed':1}", "job message: member \"seed\" must be a string "
				       "with an integer from 0 to "
				       "2^64-1"},
		{MINIMAL ",'seed':'18446744073709551616'}",
			"job message: member \"seed\" must be a string with an integer "
			"from 0 to "
			"2^64-1"},
		{MINIMAL ",'seed':'-1'}", "job message: member \"seed\" must be a string "
					  "with an integer from 0 to "
					  "2^64-1"},
		{MINIMAL ",'stats_interval_ns':1}",
			"job message: member \"stats_interval_ns\" must be an integer "
			"from 1000000 "
			"to 9223372036854775807"},
		{MINIMAL ",'load':1}",
			"job message: member \"load\" must be true or false"},
		{OP(",'fill':'mud'"), "job message: member \"ops[0].fill\" must be one "
				      "of \"random\", \"zero\", "
				      "\"unique\""},
		{OP(",'weight':-1"), "job message: member \"ops[0].weight\" must be a "
				     "number, not negative"},
		{OP(",'size':7"),
			"job message: member \"ops[0].size\" must be an object"},
		{OP(",'size':{}"), "job message: member \"ops[0].size.type\" is missing"},
		{OP(",'size':{'type':'fixed','min':1,'max':2}"),
			"job message: member \"ops[0].size\" is fixed, with a min that "
			"is not its "
			"max"},
		{OP(",'size':{'type':'uniform','min':2,'max':1}"),
			"job message: member \"ops[0].size\" has a min above its max"},
		{OP(",'size':{'type':'lognormal','min':2,'max':1,'mean':1}"),
			"job message: member \"ops[0].size\" has a min above its max"},
		{OP(",'size':{'type':'lognormal'}"),
			"job message: member \"ops[0].size\" is lognormal, with no mean"},
		{OP(",'size':{'type':'mix'}"), "job message: member \"ops[0].size\" is a "
					       "mix of no parts with a weight"},
		{OP(",'size':{'type':'mix','parts':[{'weight':0,'min':1,'max':1}]}"),
			"job message: member \"ops[0].size\" is a mix of no parts with a "
			"weight"},
		{OP(",'size':{'type':'mix','parts':[{'weight':1,'min':2,'max':1}]}"),
			"job message: member \"ops[0].size.parts[0]\" has a min above "
			"its max"},
		{SET("'uri':'u','name':'prepared'"),
			"job message: member \"sets[0]\" has a uri that does not end "
			"with '/'"},
		{SET("'uri':'u/','name':'a/b'"), "job message: member \"sets[0]\" has a "
						 "name that cannot begin a file name"},
		{SET("'uri':'u/','name':''"), "job message: member \"sets[0]\" has a "
					      "name that cannot begin a file name"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_JSON json_t *json = json_of(rows[i].json);
		struct err err = ERR_INIT;
		struct job j;

		CHECK(job_from_json(json, &j, &err) < 0, "row %zu: %s", i, rows[i].json);
		CHECK_STR(err.text, rows[i].want);
		CHECK(!j.run && !j.ops && !j.sets, "row %zu: something is left", i);
	}
}

static void test_sizes(void)
{
	static struct size_part parts[] = {{1, 10, 10}, {3, 0, 100}, {0, 1000, 2000}};
	static const struct {
		struct size_spec spec;
		double mean;
	} rows[] = {
		{{.type = SIZE_FIXED}, 0},
		{{.type = SIZE_FIXED, .min = 4096, .max = 4096}, 4096},
		{{.type = SIZE_UNIFORM, .min = 1, .max = 2}, 1.5},
		{{.type = SIZE_UNIFORM, .min = UINT64_MAX, .max = UINT64_MAX}, 0x1p64},
		{{.type = SIZE_LOGNORMAL, .min = 1, .mean = 77, .std_dev = 5}, 77},
		{{.type = SIZE_LOGNORMAL, .mean = 1e3, .std_dev = 1e5}, 1e3},
		/* what sizes that were drawn came to */
		{{.type = SIZE_LOGNORMAL,
			 .min = 1,
			 .max = 2000,
			 .mean = 1e3,
			 .std_dev = 1e5},
			179.9},
		{{.type = SIZE_MIX, .parts = parts, .n_parts = 3}, 40},
		{{.type = SIZE_MIX}, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct size_spec copy;

		CHECK(size_spec_copy(&copy, &rows[i].spec) == 0);
		CHECK(copy.type == rows[i].spec.type &&
			copy.n_parts == rows[i].spec.n_parts);
		CHECK(copy.n_parts == 0 || copy.parts != rows[i].spec.parts);
		CHECK(fabs(size_spec_mean(&copy) - rows[i].mean) <= rows[i].mean * 0.003,
			"row %zu: %f", i, size_spec_mean(&copy));
		size_spec_finish(&copy);
		CHECK(!copy.parts && copy.n_parts == 0);
	}
}

static void test_trees(void)
{
	static const struct {
		struct job_tree tree;
		uint64_t dirs, file_dirs, files;
	} rows[] = {
		{{.width = 2, .depth = 2, .files_per_dir = 3}, 6, 4, 12},
		{{.width = 2, .depth = 2, .files_per_dir = 3, .all = true}, 6, 6, 18},
		{{.width = 24, .depth = 3, .files_per_dir = 0}, 14424, 13824, 0},
		{{.width = 1, .depth = 64, .files_per_dir = 1}, 64, 1, 1},
		{{.width = 3, .depth = 41, .files_per_dir = 1}, UINT64_MAX, UINT64_MAX,
			UINT64_MAX},
		{{.width = 0x10000, .depth = 2, .files_per_dir = UINT32_MAX},
			UINT64_C(0x100010000), UINT64_C(0x100000000),
			UINT64_C(0xffffffff00000000)},
		{{.width = 0x10000, .depth = 3, .files_per_dir = UINT32_MAX},
			UINT64_C(0x1000100010000), UINT64_C(0x1000000000000), UINT64_MAX},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK(job_tree_dirs(&rows[i].tree) == rows[i].dirs, "row %zu", i);
		CHECK(job_tree_file_dirs(&rows[i].tree) == rows[i].file_dirs, "row %zu",
			i);
		CHECK(job_tree_files(&rows[i].tree) == rows[i].files, "row %zu", i);
	}
	CHECK(!job_tree_mask_flaw("sai3bench.d%d_w%d.dir"));
	CHECK(job_tree_mask_flaw("") && job_tree_mask_flaw("%d"));
	CHECK(job_tree_mask_flaw("%d/%d") && job_tree_mask_flaw("%d-%d-%s"));
	CHECK(job_tree_mask_flaw("%d-%d-%d") && job_tree_mask_flaw(".%d-%d"));
	CHECK(job_tree_mask_flaw("%d-%d%") && job_tree_mask_flaw("%d*%d"));
}

static void test_names(void)
{
	CHECK(op_kind_from_name("get") == OP_GET && op_kind_from_name("head") == OP_STAT);
	CHECK(op_kind_from_name("GET") == -1 && op_kind_from_name("") == -1);
	CHECK(sample_kind_from_name("page") == SAMPLE_PAGE);
	CHECK(sample_kind_from_name("totals") == -1); /* not a kind of sample */
	CHECK(op_error_from_name("no_space") == OP_ERR_NO_SPACE);
	CHECK(op_error_from_name("nospace") == -1);
	for (int i = 0; i < OP_KINDS; i++)
		CHECK(op_kind_from_name(op_infos[i].name) == i && op_infos[i].display,
			"%d", i);
	for (int i = 0; i < OP_ERRORS; i++)
		CHECK(op_error_from_name(op_error_names[i]) == i, "%d", i);
	CHECK(op_error_from_errno(0) == OP_OK &&
		op_error_from_errno(2) == OP_ERR_NOT_FOUND);
	CHECK(op_error_from_errno(28) == OP_ERR_NO_SPACE &&
		op_error_from_errno(9999) == OP_ERR_OTHER);
}

static void test_buckets(void)
{
	static const struct {
		uint64_t bytes;
		unsigned bucket;
	} rows[] = {
		{0, 0},
		{1, 1},
		{8192, 1},
		{8193, 2},
		{65536, 2},
		{65537, 3},
		{524288, 3},
		{4194304, 4},
		{4194305, 5},
		{33554432, 5},
		{268435456, 6},
		{268435457, 7},
		{UINT64_C(2147483648), 7},
		{UINT64_C(2147483649), 8},
		{UINT64_MAX, 8},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(bucket_of(rows[i].bytes) == rows[i].bucket, "%lu bytes: %u",
			rows[i].bytes, bucket_of(rows[i].bytes));
	CHECK_STR(bucket_names[0], "zero");
	CHECK_STR(bucket_names[BUCKETS - 1], ">2GiB");
}

TEST_MAIN(TEST(test_minimal), TEST(test_all_members), TEST(test_large_texts),
	TEST(test_refusals), TEST(test_sizes), TEST(test_trees), TEST(test_names),
	TEST(test_buckets))
