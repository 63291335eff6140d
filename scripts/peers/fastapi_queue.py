"""The origin's stack as a server that takes signed jobs: the peer of a submission to the queen.

FastAPI, SQLAlchemy and SQLite with durable commits; the signer is recovered by eth_account (EIP-191), the
nonce is unique. It reserves no money, keeps no journal and routes nothing.
"""
import os

from eth_account import Account
from eth_account.messages import encode_defunct
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import Column, Integer, String, UniqueConstraint, create_engine, event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, declarative_base

engine = create_engine(f"sqlite:///{os.environ['QUEUE_DB']}", connect_args={"check_same_thread": False})


@event.listens_for(engine, "connect")
def settings(connection, _):
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


Base = declarative_base()


class Job(Base):
    __tablename__ = "jobs"
    __table_args__ = (UniqueConstraint("client", "nonce"),)
    id = Column(Integer, primary_key=True)
    client = Column(String, nullable=False)
    nonce = Column(String, nullable=False)
    state = Column(String, nullable=False, default="pending")
    body = Column(String, nullable=False)


Base.metadata.create_all(engine)


class Order(BaseModel):
    client: str
    model: str
    input: str
    maxFee: str
    nonce: str
    deadline: str


class SubmitJob(BaseModel):
    job_type: str
    order: Order
    signature: str
    salt: str
    input: dict
    reply_to: str
    client_ens: str | None = None


app = FastAPI()


@app.post("/jobs", status_code=201)
def submit(job: SubmitJob):
    order = job.order
    client = order.client.lower()
    text = f"{client}:{order.model}:{order.input}:{order.maxFee}:{order.nonce}:{order.deadline}"
    signer = Account.recover_message(encode_defunct(text=text), signature=job.signature)
    if signer.lower() != client:
        raise HTTPException(403, "the signature is not the client's")
    with Session(engine) as session:
        row = Job(client=client, nonce=order.nonce, body=job.model_dump_json())
        session.add(row)
        try:
            session.commit()
        except IntegrityError:
            raise HTTPException(409, "the nonce was used")
        return {"job_id": row.id, "status": row.state, "client": client}
