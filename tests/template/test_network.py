"""The VPC: made only where it is needed, with the roads that are needed then, and with nothing let in."""

from typing import Any, Final

from tests.template.stack import IMAGE, VPC, Stack

_ANYWHERE: Final = "0.0.0.0/0"


def services(stack: Stack) -> set[str]:
    """That have an endpoint."""
    return {one["ServiceName"].rpartition(".")[2] for one in stack.of_type("AWS::EC2::VPCEndpoint").values()}


def test_on_dynamodb_with_arcs_on_the_internet_the_edge_is_in_no_vpc() -> None:
    stack = Stack.of(FlusherImage=IMAGE)
    assert [n for n, p in stack.of_type("AWS::Lambda::Function").items() if "VpcConfig" in p] == []
    assert services(stack) == set()
    assert stack.of_type("AWS::EC2::NatGateway") == {}
    assert len(stack.of_type("AWS::EC2::Subnet")) == 2


def test_an_edge_in_the_vpc_reaches_what_it_calls_by_endpoints() -> None:
    assert services(Stack.of(ArcAccess="private")) == {"sqs", "secretsmanager", "dynamodb"}
    assert services(Stack.of(Metadata="sqlite-efs")) == {"sqs", "secretsmanager"}
    assert services(Stack.of(Metadata="sqlite-efs", VpcEndpoints="create", **VPC)) == {
        "sqs",
        "secretsmanager",
    }


def test_a_given_vpc_gets_endpoints_only_on_demand_as_they_are_everybodys_there() -> None:
    """Their names lead to them in the whole VPC, and they let nothing through but this stack."""
    assert services(Stack.of(Metadata="sqlite-efs", **VPC)) == set()
    assert services(Stack.of(ArcAccess="private", RouteTableIds="rtb-1", **VPC)) == set()


def test_the_stacks_own_vpc_has_endpoints_whatever_is_said() -> None:
    for said in ("existing", "create"):
        assert services(Stack.of(Metadata="sqlite-efs", VpcEndpoints=said)) == {"sqs", "secretsmanager"}


def test_a_table_in_a_given_vpc_has_an_endpoint_where_the_routes_are_known() -> None:
    without = Stack.of(ArcAccess="private", VpcEndpoints="create", **VPC)
    assert services(without) == {"sqs", "secretsmanager"}
    known = Stack.of(ArcAccess="private", VpcEndpoints="create", RouteTableIds="rtb-1,rtb-2", **VPC)
    assert known.one("TableEndpoint")["RouteTableIds"] == ["rtb-1", "rtb-2"]


def test_a_nat_gateway_is_paid_for_only_where_nothing_else_leads_to_the_arcs() -> None:
    def nats(**given: Any) -> int:
        return len(Stack.of(**given).of_type("AWS::EC2::NatGateway"))

    assert nats(Metadata="sqlite-efs") == 1
    assert nats(Metadata="sqlite-efs", ArcAccess="private") == 0
    assert nats(Metadata="sqlite-efs", **VPC) == 0
    assert nats(ArcAccess="private") == 0


def test_a_given_vpc_is_left_as_it_is() -> None:
    stack = Stack.of(FlusherImage=IMAGE, Metadata="sqlite-efs", **VPC)
    for kind in ("VPC", "Subnet", "Route", "RouteTable", "InternetGateway", "EIP", "NatGateway"):
        assert stack.of_type(f"AWS::EC2::{kind}") == {}, kind
    groups = stack.of_type("AWS::EC2::SecurityGroup").values()
    assert {one["VpcId"] for one in groups} == {VPC["VpcId"]}
    assert {one["SubnetId"] for one in stack.of_type("AWS::EFS::MountTarget").values()} == set(
        VPC["SubnetIds"].split(",")
    )


def test_flushers_have_public_addresses_only_where_their_subnets_are_public() -> None:
    def address(**given: Any) -> str:
        service = Stack.of(FlusherImage=IMAGE, **given).one("FlusherService")
        return str(service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"])

    assert address() == "ENABLED"
    assert address(**VPC) == "DISABLED"
    assert address(SubnetsArePublic="yes", **VPC) == "ENABLED"


def test_nothing_comes_in_from_outside(stack: Stack) -> None:
    for name, one in stack.of_type("AWS::EC2::SecurityGroup").items():
        for rule in one.get("SecurityGroupIngress", []):
            assert "SourceSecurityGroupId" in rule, name
            assert rule["FromPort"] == rule["ToPort"], name
    assert stack.of_type("AWS::EC2::SecurityGroupIngress") == {}


def test_only_tls_and_the_arcs_are_let_out(stack: Stack) -> None:
    for name in ("EdgeSecurityGroup", "FlusherSecurityGroup"):
        groups = stack.of_type("AWS::EC2::SecurityGroup")
        if name in groups:
            rules = groups[name]["SecurityGroupEgress"]
            assert [(one["FromPort"], one["ToPort"], one["CidrIp"]) for one in rules] == [
                (443, 443, _ANYWHERE)
            ]
    rules = Stack.of(ArcAccess="private", ArcPort=8000).one("EdgeSecurityGroup")["SecurityGroupEgress"]
    assert [one["FromPort"] for one in rules] == [443, 8000]


def test_file_system_and_endpoints_let_in_edge_and_flusher_and_let_nothing_out() -> None:
    stack = Stack.of(Metadata="sqlite-efs")
    for name, port in (("FilesSecurityGroup", 2049), ("EndpointSecurityGroup", 443)):
        group = stack.one(name)
        sources = {one["SourceSecurityGroupId"]["Ref"] for one in group["SecurityGroupIngress"]}
        assert sources == {"EdgeSecurityGroup", "FlusherSecurityGroup"}
        assert {one["ToPort"] for one in group["SecurityGroupIngress"]} == {port}
        assert _ANYWHERE not in str(group["SecurityGroupEgress"])


def test_endpoints_lead_to_what_is_the_stacks_own(stack: Stack) -> None:
    for name, one in stack.of_type("AWS::EC2::VPCEndpoint").items():
        (statement,) = one["PolicyDocument"]["Statement"]
        assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}, name
        # An account as principal is its root user alone, at endpoints like the one of DynamoDB.
        assert statement["Principal"] == "*", name
        assert "*" not in str([statement["Action"], statement["Resource"]]), name


def test_mount_targets_are_where_the_functions_are() -> None:
    for given in ({}, VPC):
        stack = Stack.of(Metadata="sqlite-efs", **given)
        targets = [one["SubnetId"] for one in stack.of_type("AWS::EFS::MountTarget").values()]
        for one in stack.of_type("AWS::Lambda::Function").values():
            assert sorted(one["VpcConfig"]["SubnetIds"], key=str) == sorted(targets, key=str)
