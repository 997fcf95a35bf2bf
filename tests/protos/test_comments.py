"""The protos are the manual: every field says whether it is needed, every method which status codes it returns."""

from __future__ import annotations

import pytest

from protos import comments
from synthmill.runtime.errors import BY_REASON

POOR = """
syntax = "proto3";
package poor.v1;
// A mood.
enum Mood {
  // Fine.
  MOOD_FINE = 0;
}
// A service.
service PoorService {
  // Does a thing. Codes: INVALID_ARGUMENT.
  rpc Good(Request) returns (Request);
  // Does as Good does. Codes: as Good.
  rpc Alike(Request) returns (Request);
  // Does a thing.
  rpc Silent(Request) returns (Request);
  // Does a thing. Codes: INVALID_ARGUMENT, NO_SUCH_CODE.
  rpc Unknown(Request) returns (Request);
  // Does a thing. Codes: as Missing.
  rpc Lost(Request) returns (Request);
}
// A request.
message Request {
  // Required. A name.
  string name = 1;
  // A name.
  string vague = 2;
  string bare = 3;
  // Which of them.
  oneof choice {
    // This.
    string this = 4;
  }
  // Optional. Numbers.
  map<string, int32> numbers = 5;
  // Part of it.
  message Part {
    // Sometimes required.
    int32 size = 1;
  }
}
"""


@pytest.fixture(scope="module")
def poor(compile_protos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("poor")
    (folder / "poor.proto").write_text(POOR)
    return compile_protos(folder)


def test_every_field_says_whether_it_is_needed(descriptors):
    assert len(list(comments.fields_of(descriptors))) > 150
    assert comments.fields_without_presence(descriptors) == []


def test_field_that_does_not_is_found(poor):
    found = comments.fields_without_presence(poor)
    assert found == ["Request.vague", "Request.bare", "Request.choice", "Request.Part.size"]


def test_every_method_lists_its_status_codes(descriptors):
    assert len(list(comments.methods_of(descriptors))) > 20
    assert comments.methods_without_codes(descriptors) == []


def test_method_that_does_not_is_found(poor):
    found = comments.methods_without_codes(poor)
    assert found == ["PoorService.Silent", "PoorService.Unknown", "PoorService.Lost"]


def test_zero_of_every_enum_means_nothing(descriptors):
    assert comments.enums_without_unspecified(descriptors) == []


def test_zero_that_means_something_is_found(poor):
    assert comments.enums_without_unspecified(poor) == ["Mood"]


def test_every_reason_names_the_status_code_of_its_error(descriptors):
    reasons = list(comments.enum_values_of(descriptors, "ErrorReason"))[1:]
    codes = {reason.name.removeprefix("ERROR_REASON_"): reason.comment.split(":")[0] for reason in reasons}
    assert codes == {reason: error.code.name for reason, error in BY_REASON.items()}
